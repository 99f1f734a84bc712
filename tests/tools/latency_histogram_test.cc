#include "tools/latency_histogram.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>

namespace nacre::tools {
namespace {

TEST(LatencyHistogram, IsExactForSmallValues) {
  LatencyHistogram histogram;
  for (std::uint64_t value = 1; value <= 10; ++value) histogram.add(value);
  EXPECT_EQ(histogram.total(), 10U);
  EXPECT_EQ(histogram.percentile(50), 5U);
  EXPECT_EQ(histogram.percentile(100), 10U);
  EXPECT_EQ(histogram.percentile(0), 1U);
}

TEST(LatencyHistogram, IsNeverBelowAndAtMostThreePercentAbove) {
  for (std::uint64_t value = 1; value < std::uint64_t{1} << 62; value = value * 3 + 1) {
    LatencyHistogram histogram;
    histogram.add(value);
    const std::uint64_t found = histogram.percentile(50);
    EXPECT_GE(found, value);
    EXPECT_LE(found - value, value / 32);
  }
}

TEST(LatencyHistogram, HasABucketForEveryValue) {
  LatencyHistogram histogram;
  histogram.add(0);
  histogram.add(UINT64_MAX);
  EXPECT_EQ(histogram.percentile(50), 0U);
  EXPECT_EQ(histogram.percentile(100), UINT64_MAX);
}

TEST(LatencyHistogram, Adds) {
  LatencyHistogram one;
  LatencyHistogram other;
  one.add(1);
  other.add(7);
  one.add_all(other);
  EXPECT_EQ(one.total(), 2U);
  EXPECT_EQ(one.percentile(100), 7U);
}

TEST(LatencyHistogram, IsZeroWhenEmpty) { EXPECT_EQ(LatencyHistogram().percentile(99), 0U); }

}  // namespace
}  // namespace nacre::tools
