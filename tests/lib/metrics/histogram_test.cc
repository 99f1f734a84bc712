#include "lib/metrics/histogram.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <thread>
#include <vector>

namespace nacre {
namespace {

TEST(HistogramCounts, IsExactForSmallValues) {
  HistogramCounts histogram;
  for (std::uint64_t value = 1; value <= 10; ++value) histogram.add(value);
  EXPECT_EQ(histogram.total(), 10U);
  EXPECT_EQ(histogram.percentile(50), 5U);
  EXPECT_EQ(histogram.percentile(100), 10U);
  EXPECT_EQ(histogram.percentile(0), 1U);
}

TEST(HistogramCounts, IsNeverBelowAndAtMostThreePercentAbove) {
  for (std::uint64_t value = 1; value < std::uint64_t{1} << 62; value = value * 3 + 1) {
    HistogramCounts histogram;
    histogram.add(value);
    const std::uint64_t found = histogram.percentile(50);
    EXPECT_GE(found, value);
    EXPECT_LE(found - value, value / 32);
  }
}

TEST(HistogramCounts, HasABucketForEveryValue) {
  HistogramCounts histogram;
  histogram.add(0);
  histogram.add(UINT64_MAX);
  EXPECT_EQ(histogram.percentile(50), 0U);
  EXPECT_EQ(histogram.percentile(100), UINT64_MAX);
}

TEST(HistogramCounts, Adds) {
  HistogramCounts one;
  HistogramCounts other;
  one.add(1);
  other.add(7);
  one.add_all(other);
  EXPECT_EQ(one.total(), 2U);
  EXPECT_EQ(one.percentile(100), 7U);
}

TEST(HistogramCounts, IsZeroWhenEmpty) { EXPECT_EQ(HistogramCounts().percentile(99), 0U); }

TEST(HistogramBucket, EndsWhereTheNextBegins) {
  for (std::size_t bucket = 0; bucket + 1 < kHistogramBuckets; ++bucket) {
    const std::uint64_t last = histogram_bucket_last(bucket);
    ASSERT_EQ(histogram_bucket(last), bucket);
    ASSERT_EQ(histogram_bucket(last + 1), bucket + 1);
  }
}

TEST(Histogram, CountsWhatManyThreadsRecord) {
  constexpr std::uint64_t kEach = 10'000;
  Histogram histogram;
  std::vector<std::thread> threads;
  for (std::uint64_t t = 1; t <= 3; ++t) {
    threads.emplace_back([&histogram, t] {
      for (std::uint64_t i = 0; i < kEach; ++i) histogram.record(t * 1000);
    });
  }
  for (std::thread& thread : threads) thread.join();
  const Histogram::Snapshot taken = histogram.snapshot();
  EXPECT_EQ(taken.values.total(), 3 * kEach);
  EXPECT_EQ(taken.sum, 6000 * kEach);
  EXPECT_EQ(taken.values.counts[histogram_bucket(2000)], kEach);
}

}  // namespace
}  // namespace nacre
