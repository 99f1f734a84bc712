// The memtable under several threads. ThreadSanitizer looks for races; these look for what is lost
// or out of order.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "lib/store/memtable.h"
#include "nacre/random.h"
#include "tests/lib/store/memtable_model.h"
#include "tests/support/seed.h"

namespace nacre::store {
namespace {

constexpr std::uint64_t kWriters = 3;
constexpr std::uint64_t kEach = 6000;

/// A key that says which it is, at a place by chance.
std::string key_of(std::uint64_t i) {
  return fmt::format("{:08x}-{}", static_cast<std::uint32_t>(i * 2654435761U), i);
}

class MemtableThreads : public testing::TestWithParam<int> {
 protected:
  MemtableThreads() : memtable_(test::orders()[static_cast<std::size_t>(GetParam())], arena_) {}

  void TearDown() override { join(); }

  /// Inserts key i, value i, for i of this writer's, and says how far it is.
  void write(std::uint64_t writer, const std::function<std::string(std::uint64_t)>& key) {
    for (std::uint64_t n = 0; n < kEach; ++n) {
      const std::uint64_t i = n * kWriters + writer;
      memtable_.insert(as_bytes(key(i)), Sequence{i + 1}, EntryKind::kPut, as_bytes("v"));
      done_[writer].store(n + 1, std::memory_order_release);
    }
  }
  void start_writers(const std::function<std::string(std::uint64_t)>& key) {
    for (std::uint64_t writer = 0; writer < kWriters; ++writer) {
      threads_.emplace_back([this, writer, key] { write(writer, key); });
    }
  }
  void join() {
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }
  std::uint64_t done() const {
    std::uint64_t sum = 0;
    for (const auto& done : done_) sum += done.load(std::memory_order_acquire);
    return sum;
  }
  bool before(Bytes a, Bytes b) const { return memtable_.comparator()(a, b) < 0; }

  /// Counts the keys in order one way.
  std::uint64_t walk(bool forward) const {
    Memtable::Cursor cursor(memtable_);
    if (forward) {
      cursor.seek_first();
    } else {
      cursor.seek_last();
    }
    std::uint64_t count = 0;
    for (Bytes last; cursor.valid(); ++count) {
      if (count > 0) {
        const bool in_order = forward ? before(last, cursor.key()) : before(cursor.key(), last);
        EXPECT_TRUE(in_order);
        if (!in_order) break;
      }
      last = cursor.key();
      if (forward) {
        cursor.next();
      } else {
        cursor.prev();
      }
    }
    return count;
  }

  Arena arena_;
  Memtable memtable_;
  std::atomic<std::uint64_t> done_[kWriters] = {};
  std::vector<std::thread> threads_;
};

TEST_P(MemtableThreads, WhatIsInsertedIsFoundFromThenOn) {
  start_writers(key_of);
  SeededRandom random(test::seed());
  while (done() < kWriters * kEach) {
    const std::uint64_t writer = random.next_u64() % kWriters;
    const std::uint64_t inserted = done_[writer].load(std::memory_order_acquire);
    if (inserted == 0) continue;
    const std::uint64_t i = random.next_u64() % inserted * kWriters + writer;
    const Version* const version = memtable_.find(as_bytes(key_of(i)), kNewest);
    ASSERT_NE(version, nullptr) << i;
    ASSERT_EQ(version->sequence(), Sequence{i + 1});
    ASSERT_EQ(memtable_.find(as_bytes(key_of(i) + "x"), kNewest), nullptr);
  }
  join();
  EXPECT_EQ(memtable_.entries(), kWriters * kEach);
  for (std::uint64_t i = 0; i < kWriters * kEach; ++i) {
    ASSERT_NE(memtable_.find(as_bytes(key_of(i)), kNewest), nullptr) << i;
  }
  EXPECT_EQ(walk(true), kWriters * kEach);
  EXPECT_EQ(walk(false), kWriters * kEach);
}

TEST_P(MemtableThreads, CursorsGoInOrderAndSeeAllThatWasThere) {
  start_writers(key_of);
  while (done() < kWriters * kEach) {
    const std::uint64_t before = done();
    ASSERT_GE(walk(true), before);
    ASSERT_GE(walk(false), before);
  }
}

TEST_P(MemtableThreads, KeysInOrderFromSeveralThreads) {
  start_writers([](std::uint64_t i) { return fmt::format("{:010}", i); });
  while (done() < kWriters * kEach) {
    const std::uint64_t before = done();
    ASSERT_GE(walk(true), before);
  }
  join();
  EXPECT_EQ(walk(false), kWriters * kEach);
}

TEST_P(MemtableThreads, OneKeyGetsAllVersions) {
  start_writers([](std::uint64_t i) { return fmt::format("{}", i % 5); });
  join();
  EXPECT_EQ(walk(true), 5U);
  std::uint64_t versions = 0;
  for (int key = 0; key < 5; ++key) {
    Sequence last = kNewest;
    const Version* version = memtable_.find(as_bytes(fmt::format("{}", key)), kNewest);
    for (; version != nullptr; version = memtable_.older(*version)) {
      ASSERT_LT(version->sequence(), last);
      last = version->sequence();
      ++versions;
    }
  }
  EXPECT_EQ(versions, kWriters * kEach);
}

TEST_P(MemtableThreads, ABatchIsSeenWholeOrNotAtAll) {
  constexpr std::uint64_t kBatches = 2000;
  threads_.emplace_back([this] {
    for (std::uint64_t batch = 1; batch <= kBatches; ++batch) {
      BatchMark* const mark = BatchMark::create(arena_);
      memtable_.insert(as_bytes("first"), Sequence{batch}, EntryKind::kPut, {}, mark);
      memtable_.insert(as_bytes("second"), Sequence{batch}, EntryKind::kPut, {}, mark);
      mark->publish();
    }
  });
  const auto newest = [&](std::string_view key) {
    const Version* const version = memtable_.find(as_bytes(key), kNewest);
    return version == nullptr ? 0 : version->sequence().value;
  };
  // Whoever has seen a batch by one key sees it, or a later one, by the other.
  for (std::uint64_t seen = 0; seen < kBatches;) {
    const std::uint64_t first = newest("first");
    const std::uint64_t second = newest("second");
    seen = newest("first");
    ASSERT_LE(first, second);
    ASSERT_LE(second, seen);
  }
}

INSTANTIATE_TEST_SUITE_P(Orders, MemtableThreads, testing::Values(0, 1, 2));

}  // namespace
}  // namespace nacre::store
