#include "bench/stopwatch.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

namespace nacre::bench {
namespace {

TEST(BenchStopwatch, APercentileIsTheSmallestValueThatSoManyDoNotExceed) {
  std::vector<std::uint64_t> values;
  for (std::uint64_t value = 200; value > 0; --value) values.push_back(value);
  EXPECT_EQ(percentile(values, 0.99), 198);
  EXPECT_EQ(percentile(values, 0.5), 100);
  EXPECT_EQ(percentile(values, 0), 1);
  EXPECT_EQ(percentile(values, 1), 200);
  std::vector<std::uint64_t> one{7};
  EXPECT_EQ(percentile(one, 0.99), 7);
}

TEST(BenchStopwatch, ProcessorTimeStandsBesideEachOfItsFigures) {
  const Stopwatch watch;
  // Some processor time must have gone by, and the clock says when.
  while (watch.ns_per_operation(1).beside.at("cpu_ns") <= 0) {
  }
  const Sample each = watch.ns_per_operation(1000);
  const Sample rate = watch.operations_per_second(1000);
  EXPECT_GT(each.figure, 0);
  EXPECT_GT(rate.figure, 0);
  // The second was taken later, and so over more time.
  EXPECT_LE(rate.figure * each.figure, 1e9 * 1.0001);
  EXPECT_GT(rate.beside.at("cpu_ns"), 0);
}

}  // namespace
}  // namespace nacre::bench
