#include "emulation/simulation/thread_schedule.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace nacre {
namespace {

/// Three threads of ten steps each: who makes each step.
std::string order_of(const ThreadScheduleOptions& options) {
  ThreadSchedule schedule(options);
  schedule.begin(3);
  std::array<int, 3> left = {10, 10, 10};
  std::string order;
  for (ThreadSet ready = 7; ready != 0;) {
    const std::size_t next = schedule.next(ready);
    order += static_cast<char>('a' + next);
    schedule.step(next);
    if (--left[next] == 0) ready &= ~(ThreadSet{1} << next);
  }
  EXPECT_EQ(schedule.steps(), 30U);
  return order;
}

std::size_t switches(const std::string& order) {
  std::size_t count = 0;
  for (std::size_t i = 1; i < order.size(); ++i) count += order[i] != order[i - 1] ? 1 : 0;
  return count;
}

TEST(ThreadSchedule, WithoutPreemptionsThreadsRunOneAfterTheOther) {
  std::set<std::string> orders;
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    orders.insert(order_of({.seed = seed, .steps = 30, .preemptions = 0}));
    EXPECT_EQ(switches(*orders.rbegin()), 2U);
  }
  EXPECT_EQ(orders.size(), 6U);
}

TEST(ThreadSchedule, InterruptsNoMoreOftenThanItMay) {
  std::set<std::string> orders;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    const std::string order = order_of({.seed = seed, .steps = 30, .preemptions = 2});
    orders.insert(order);
    EXPECT_LE(switches(order), 4U) << order;
    EXPECT_EQ(order, order_of({.seed = seed, .steps = 30, .preemptions = 2}));
  }
  EXPECT_GT(orders.size(), 100U);
}

TEST(ThreadSchedule, WhatHasBeenPutLastGoesOnOnlyAlone) {
  ThreadSchedule schedule({.seed = 3});
  schedule.begin(3);
  const std::size_t first = schedule.next(7);
  schedule.put_last(first);
  EXPECT_NE(schedule.next(7), first);
  EXPECT_EQ(schedule.next(ThreadSet{1} << first), first);
}

}  // namespace
}  // namespace nacre
