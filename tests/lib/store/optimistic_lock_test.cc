#include "lib/store/optimistic_lock.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

namespace nacre::store {
namespace {

TEST(OptimisticLock, AReaderNoticesEveryChange) {
  OptimisticLock lock;
  const std::uint64_t version = lock.begin_read();
  EXPECT_TRUE(lock.unchanged_since(version));
  ASSERT_TRUE(lock.try_lock(version));
  EXPECT_FALSE(lock.unchanged_since(version));
  lock.unlock();
  EXPECT_FALSE(lock.unchanged_since(version));
  EXPECT_TRUE(lock.unchanged_since(lock.begin_read()));
}

TEST(OptimisticLock, IsTakenOnlyWhereNothingHasChanged) {
  OptimisticLock lock;
  const std::uint64_t version = lock.begin_read();
  ASSERT_TRUE(lock.try_lock(version));
  EXPECT_FALSE(lock.try_lock(version)) << "it is locked";
  lock.unlock();
  EXPECT_FALSE(lock.try_lock(version)) << "it was locked meanwhile";
  EXPECT_TRUE(lock.try_lock(lock.begin_read()));
  lock.unlock();
}

// Two numbers that are the same whenever nobody is at work.
TEST(OptimisticLock, WhatIsReadInBetweenBelongsTogether) {
  constexpr std::uint64_t kChanges = 20000;
  OptimisticLock lock;
  std::atomic<std::uint64_t> a{0};
  std::atomic<std::uint64_t> b{0};
  const auto change = [&] {
    for (std::uint64_t i = 0; i < kChanges; ++i) {
      while (!lock.try_lock(lock.begin_read())) {
      }
      a.store(a.load(std::memory_order_relaxed) + 1, std::memory_order_release);
      b.store(b.load(std::memory_order_relaxed) + 1, std::memory_order_release);
      lock.unlock();
    }
  };
  std::thread one(change);
  std::thread other(change);
  std::uint64_t read = 0;
  while (read < 2 * kChanges) {
    const std::uint64_t version = lock.begin_read();
    const std::uint64_t read_b = b.load(std::memory_order_acquire);
    const std::uint64_t read_a = a.load(std::memory_order_acquire);
    if (!lock.unchanged_since(version)) continue;
    ASSERT_EQ(read_a, read_b);
    read = read_a;
  }
  one.join();
  other.join();
}

}  // namespace
}  // namespace nacre::store
