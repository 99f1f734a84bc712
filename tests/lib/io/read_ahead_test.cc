#include "lib/io/read_ahead.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <set>
#include <vector>

#include "nacre/random.h"
#include "tests/support/seed.h"

namespace nacre {
namespace {

constexpr std::uint64_t kPage = ReadAhead::kPageBytes;
constexpr std::uint64_t kKiB = 1024;
constexpr std::uint64_t kMiB = 1024 * kKiB;

/// A reader that fetches what it is told to, and knows for each page whether it came in time.
class Reader {
 public:
  explicit Reader(const ReadAhead::Options& options = {}) : options_(options), ahead_(options) {}

  /// Returns whether all of it had been fetched ahead.
  bool read(std::uint64_t offset, std::uint64_t bytes) {
    bool covered = true;
    for (std::uint64_t page = offset / kPage; page <= (offset + bytes - 1) / kPage; ++page) {
      covered = held_.contains(page) && covered;
    }
    const ReadAhead::Advice& advice = ahead_.on_read(offset, bytes);
    for (const ByteRange& range : advice.drop) {
      for (std::uint64_t at = range.offset; at < range.end(); at += kPage) held_.erase(at / kPage);
    }
    for (const ByteRange& range : advice.fetch) {
      EXPECT_GT(range.bytes, 0U);
      EXPECT_LE(range.bytes, options_.max_window_bytes);
      EXPECT_LT(range.end(), options_.file_bytes + kPage);
      EXPECT_EQ(range.bytes % kPage, 0U);
      EXPECT_EQ(range.offset % kPage, 0U);
      for (std::uint64_t at = range.offset; at < range.end(); at += kPage) held_.insert(at / kPage);
      ++fetches_;
    }
    ++reads_;
    if (!covered) ++misses_;
    check_bound();
    return covered;
  }

  const ReadAhead::Counters& counters() const { return ahead_.counters(); }
  std::uint64_t fetches() const { return fetches_; }
  /// Reads that were not covered.
  std::uint64_t misses() const { return misses_; }
  std::uint64_t reads() const { return reads_; }
  std::uint64_t held_pages() const { return held_.size(); }

 private:
  /// What the header promises at any time.
  void check_bound() const {
    const ReadAhead::Counters& now = ahead_.counters();
    ASSERT_LE(now.useless_bytes,
              4 * options_.first_window_bytes + now.read_bytes / 256 + now.useful_bytes);
    ASSERT_LE(now.useful_bytes + now.useless_bytes, now.fetched_bytes);
  }

  ReadAhead::Options options_;
  ReadAhead ahead_;
  std::set<std::uint64_t> held_;
  std::uint64_t fetches_ = 0;
  std::uint64_t misses_ = 0;
  std::uint64_t reads_ = 0;
};

ReadAhead::Options file_of(std::uint64_t bytes) { return {.file_bytes = bytes}; }

TEST(ReadAhead, AScanIsKnownByItsThirdReadAndCoveredFromThenOn) {
  Reader reader(file_of(64 * kMiB));
  for (std::uint64_t at = 0; at < 64 * kMiB; at += kPage) {
    EXPECT_EQ(reader.read(at, kPage), at >= 3 * kPage) << at;
  }
  EXPECT_EQ(reader.counters().fetched_bytes, 64 * kMiB - 3 * kPage);
  EXPECT_EQ(reader.counters().useless_bytes, 0U);
  // 64 KiB, then windows that double, then about a MiB each.
  EXPECT_LE(reader.fetches(), 75U);
}

TEST(ReadAhead, TheWindowDoublesUpToItsBound) {
  ReadAhead ahead(file_of(1024 * kMiB));
  std::uint64_t widest = 0;
  std::vector<std::uint64_t> fetched;
  std::uint64_t edge = 0;
  for (std::uint64_t at = 0; at < 64 * kMiB; at += kPage) {
    for (const ByteRange& range : ahead.on_read(at, kPage).fetch) {
      fetched.push_back(range.bytes);
      edge = range.end();
      widest = std::max(widest, edge - (at + kPage));
    }
  }
  EXPECT_EQ(fetched.front(), 64 * kKiB);
  EXPECT_EQ(widest, 2 * kMiB);
  EXPECT_EQ(fetched.back(), kMiB);
}

TEST(ReadAhead, BackwardScansAreCovered) {
  Reader reader(file_of(16 * kMiB));
  for (std::uint64_t at = 16 * kMiB; at > 0; at -= 8 * kKiB) reader.read(at - 8 * kKiB, 8 * kKiB);
  EXPECT_EQ(reader.misses(), 3U);
  EXPECT_EQ(reader.counters().useless_bytes, 0U);
}

TEST(ReadAhead, ReadsOfAnySizeAndPlaceInOrderAreAScan) {
  SeededRandom random(test::seed());
  Reader reader(file_of(16 * kMiB));
  for (std::uint64_t at = 12'345; at < 16 * kMiB;) {
    const std::uint64_t bytes = std::min(1 + uniform_below(random, 20'000), 16 * kMiB - at);
    reader.read(at, bytes);
    at += bytes;
  }
  EXPECT_LE(reader.misses(), 6U);
  EXPECT_EQ(reader.counters().useless_bytes, 0U);
}

TEST(ReadAhead, ReadsAsLargeAsTheWindowAreAScanToo) {
  Reader reader(file_of(256 * kMiB));
  for (std::uint64_t at = 0; at < 256 * kMiB; at += kMiB) reader.read(at, kMiB);
  // The account has to grow before whole reads fit in it.
  EXPECT_LE(reader.misses(), 12U);
}

TEST(ReadAhead, StridesAreCoveredElementByElement) {
  for (const std::int64_t stride : {64 * std::int64_t{1024}, -64 * std::int64_t{1024}}) {
    Reader reader(file_of(64 * kMiB));
    std::uint64_t at = stride > 0 ? 0 : 64 * kMiB - 64 * kKiB;
    for (int i = 0; i < 1000; ++i, at += static_cast<std::uint64_t>(stride)) {
      EXPECT_EQ(reader.read(at, 2 * kPage), i >= 4) << i;
    }
    // Nothing of what lies between.
    EXPECT_LE(reader.counters().fetched_bytes, (1000 + 32) * 2 * kPage);
    EXPECT_EQ(reader.counters().useless_bytes, 0U);
  }
}

TEST(ReadAhead, RandomReadsWasteLessThanAHundredth) {
  SeededRandom random(test::seed());
  for (const std::uint64_t pages : {64ULL, 1024ULL, 16'384ULL, 262'144ULL}) {
    Reader reader(file_of(pages * kPage));
    // 660 first windows, which is when the promise begins to hold.
    for (std::uint64_t i = 0; i < 12'000; ++i) {
      reader.read(uniform_below(random, pages) * kPage, kPage);
    }
    const ReadAhead::Counters& counters = reader.counters();
    EXPECT_GE(counters.read_bytes, 660 * 64 * kKiB);
    EXPECT_LT(counters.fetched_bytes - counters.useful_bytes, counters.read_bytes / 100)
        << pages << " pages";
  }
}

// Scans that end as soon as they are believed: the worst there is for a reader-ahead.
TEST(ReadAhead, TurnsItselfOffAfterUselessFetches) {
  SeededRandom random(test::seed());
  Reader reader(file_of(4096 * kMiB));
  std::uint64_t fetched_early = 0;
  for (int scan = 0; scan < 40'000; ++scan) {
    const std::uint64_t at = uniform_below(random, 1'000'000) * kPage;
    for (std::uint64_t i = 0; i < 3; ++i) reader.read(at + i * kPage, kPage);
    if (scan == 100) fetched_early = reader.counters().fetched_bytes;
  }
  EXPECT_GE(fetched_early, 128 * kKiB);
  EXPECT_LT(reader.counters().fetched_bytes, reader.counters().read_bytes / 100);
  // It comes back when a scan goes on.
  const std::uint64_t misses = reader.misses();
  for (std::uint64_t at = 0; at < 16 * kMiB; at += kPage) reader.read(at, kPage);
  EXPECT_LT(reader.misses() - misses, 1100U);
}

TEST(ReadAhead, FollowsSeveralScansAtOnce) {
  SeededRandom random(test::seed());
  Reader reader(file_of(1024 * kMiB));
  struct Scan {
    std::uint64_t at;
    std::int64_t step;
  };
  std::vector<Scan> scans;
  for (std::uint64_t i = 0; i < 8; ++i) {
    constexpr std::int64_t kSteps[] = {4096, -4096, 20'480, -20'480};
    scans.push_back({(100 * i + 50) * kMiB, kSteps[i % 4]});
  }
  for (int i = 0; i < 16'000; ++i) {
    Scan& scan = scans[uniform_below(random, scans.size())];
    reader.read(scan.at, kPage);
    scan.at += static_cast<std::uint64_t>(scan.step);
  }
  // Random turns take some scans longer to show themselves.
  EXPECT_LT(reader.misses(), 400U);
  EXPECT_LT(reader.counters().useless_bytes, reader.counters().useful_bytes / 100);
}

TEST(ReadAhead, AScanAmongRandomReadsStaysCovered) {
  SeededRandom random(test::seed());
  Reader reader(file_of(1024 * kMiB));
  std::uint64_t misses = 0;
  for (std::uint64_t at = 0; at < 16 * kMiB; at += kPage) {
    if (!reader.read(at, kPage)) ++misses;
    reader.read((4096 + uniform_below(random, 200'000)) * kPage, kPage);
  }
  EXPECT_LE(misses, 8U);
}

TEST(ReadAhead, GoesFromOnePatternToTheNext) {
  SeededRandom random(test::seed());
  Reader reader(file_of(1024 * kMiB));
  for (int round = 0; round < 4; ++round) {
    for (int i = 0; i < 3000; ++i) reader.read(uniform_below(random, 262'144) * kPage, kPage);
    std::uint64_t misses = reader.misses();
    std::uint64_t at = uniform_below(random, 100'000) * kPage;
    for (int i = 0; i < 3000; ++i, at += kPage) reader.read(at, kPage);
    EXPECT_LE(reader.misses() - misses, 8U);
    misses = reader.misses();
    at = uniform_below(random, 10'000) * kPage;
    for (int i = 0; i < 1000; ++i, at += 25 * kPage) reader.read(at, kPage);
    EXPECT_LE(reader.misses() - misses, 8U);
  }
  // Each change costs what lay ahead.
  EXPECT_LT(reader.counters().useless_bytes, 4 * 5 * kMiB);
}

TEST(ReadAhead, WhatIsNotComingAnyMoreIsToBeDropped) {
  SeededRandom random(test::seed());
  Reader reader(file_of(1024 * kMiB));
  for (std::uint64_t at = 0; at < 8 * kMiB; at += kPage) reader.read(at, kPage);
  const std::uint64_t read_pages = 8 * kMiB / kPage - 3;
  EXPECT_GT(reader.held_pages(), read_pages);
  for (int i = 0; i < 1100; ++i) {
    reader.read((10'000 + uniform_below(random, 250'000)) * kPage, kPage);
  }
  // What was read ahead and used stays with this test's reader; all else is gone.
  EXPECT_EQ(reader.held_pages(), read_pages);
  EXPECT_EQ(reader.counters().useless_bytes,
            reader.counters().fetched_bytes - reader.counters().useful_bytes);
}

TEST(ReadAhead, MoreScansThanItFollowsStayWithinTheBound) {
  Reader reader({.streams = 2, .file_bytes = 1024 * kMiB});
  for (std::uint64_t i = 0; i < 4000; ++i) {
    for (std::uint64_t scan = 0; scan < 5; ++scan)
      reader.read(scan * 100 * kMiB + i * kPage, kPage);
  }
  EXPECT_LT(reader.counters().useless_bytes, reader.counters().read_bytes / 50);
}

TEST(ReadAhead, NothingIsFetchedBehindTheEndOrBeforeTheBeginning) {
  // The reader expects it of each range.
  constexpr std::uint64_t kEnd = kMiB + 1000;
  Reader reader(file_of(kEnd));
  for (std::uint64_t at = 0; at < kEnd; at += 10'000) {
    reader.read(at, std::min<std::uint64_t>(10'000, kEnd - at));
  }
  for (std::uint64_t at = kEnd / 10'000 * 10'000; at > 0; at -= 10'000) {
    reader.read(at - 10'000, 10'000);
  }
  for (std::uint64_t at = 0; at < 2 * kEnd; at += 20 * kPage) reader.read(at, kPage);
  for (std::uint64_t at = 200; at > 0; --at) reader.read(at * 3 * kPage, kPage);
}

TEST(ReadAhead, CanBeTurnedOff) {
  Reader reader({.max_window_bytes = 0, .file_bytes = kMiB});
  for (std::uint64_t at = 0; at < kMiB; at += kPage) EXPECT_FALSE(reader.read(at, kPage));
}

// Any mixture: what counts is Reader's check of the bound after each read.
TEST(ReadAhead, TheBoundHoldsForAnyPattern) {
  SeededRandom random(test::seed());
  for (int round = 0; round < 20; ++round) {
    const std::uint64_t pages = 16ULL << uniform_below(random, 14);
    Reader reader({.streams = 1 + uniform_below(random, 8), .file_bytes = pages * kPage});
    while (reader.reads() < 5000) {
      std::uint64_t at = uniform_below(random, pages);
      const std::uint64_t step = uniform_below(random, 5) - 2;
      const std::uint64_t size = 1 + uniform_below(random, 4);
      for (std::uint64_t i = uniform_below(random, 40); i > 0 && at < pages; --i, at += step) {
        reader.read(at * kPage, size * kPage - uniform_below(random, 100));
      }
    }
  }
}

}  // namespace
}  // namespace nacre
