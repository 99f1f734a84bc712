// InFlight: who waits for writes that are under way, and for which of them.

#include "lib/store/in_flight.h"

#include <gtest/gtest.h>

#include <atomic>
#include <optional>
#include <thread>

namespace nacre::store {
namespace {

constexpr Lsn kLast{10};
/// More than enough for a waiter to go to sleep, on any machine that is not held up for seconds.
constexpr int kYields = 2'000;

class InFlightTest : public testing::Test {
 protected:
  ~InFlightTest() override {
    if (waiter_.joinable()) waiter_.join();
  }
  void wait_for_last() {
    waiter_ = std::thread([this] {
      writes_.wait_through(kLast);
      returned_ = true;
    });
    for (int i = 0; i < kYields && !returned_; ++i) std::this_thread::yield();
  }

  InFlight writes_;
  std::atomic<bool> returned_{false};
  std::thread waiter_;
};

TEST_F(InFlightTest, WaitsForWhatHasDrawnALowerLsn) {
  std::optional<InFlight::Write> write(writes_.begin(Lsn{5}));
  write->drew(Sequence::of(kLast, 1));
  wait_for_last();
  EXPECT_FALSE(returned_);
  write.reset();
  waiter_.join();
}

TEST_F(InFlightTest, DoesNotWaitForWhatBeganAboveIt) {
  const InFlight::Write write = writes_.begin(Lsn{kLast.value + 1});
  writes_.wait_through(kLast);
}

// A bulk load that flushed what was in its way waited here, asleep, for a write that had begun and
// then drew a higher LSN; the write waited for the load to be seen first. Neither ever ended.
TEST_F(InFlightTest, DoesNotWaitForWhatDrawsAHigherLsnMeanwhile) {
  InFlight::Write write = writes_.begin(Lsn{5});
  wait_for_last();
  EXPECT_FALSE(returned_);
  write.drew(Sequence::of(Lsn{kLast.value + 1}, 1));
  waiter_.join();  // Beside the write, which is still under way.
  EXPECT_TRUE(returned_);
}

TEST_F(InFlightTest, WaitsForAWriteThatEndsWithoutASequence) {
  std::optional<InFlight::Write> write(writes_.begin(Lsn{5}));
  wait_for_last();
  EXPECT_FALSE(returned_);
  write.reset();
  waiter_.join();
}

TEST_F(InFlightTest, WhatHasBegunIsWaitedForWhateverItDraws) {
  std::optional<InFlight::Write> write(writes_.begin(Lsn{5}));
  waiter_ = std::thread([this] {
    writes_.wait_for_begun();
    returned_ = true;
  });
  for (int i = 0; i < kYields; ++i) std::this_thread::yield();
  write->drew(Sequence::of(Lsn{kLast.value + 1}, 1));
  for (int i = 0; i < kYields; ++i) std::this_thread::yield();
  EXPECT_FALSE(returned_);
  write.reset();
  waiter_.join();
}

}  // namespace
}  // namespace nacre::store
