#include "bench/zipfian.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <set>
#include <vector>

#include "nacre/random.h"

namespace nacre::bench {
namespace {

constexpr std::uint64_t kDraws = 200'000;

std::vector<std::uint64_t> counts_of(const Zipfian& ranks, std::uint64_t seed) {
  SeededRandom random(seed);
  std::vector<std::uint64_t> counts(ranks.count());
  for (std::uint64_t i = 0; i < kDraws; ++i) counts.at(ranks.draw(random)) += 1;
  return counts;
}

double expected_share(std::uint64_t rank, std::uint64_t count, double skew) {
  double weights = 0;
  for (std::uint64_t i = 1; i <= count; ++i) weights += std::pow(static_cast<double>(i), -skew);
  return std::pow(static_cast<double>(rank + 1), -skew) / weights;
}

TEST(BenchZipfian, RanksComeAsOftenAsTheirWeight) {
  constexpr std::uint64_t kCount = 1000;
  const auto counts = counts_of(Zipfian(kCount), 1);
  // The first two ranks are exact in the paper's method, the others nearly so, and together right.
  for (const std::uint64_t rank : {0U, 1U}) {
    const double share = expected_share(rank, kCount, Zipfian::kYcsbSkew);
    EXPECT_NEAR(static_cast<double>(counts[rank]) / kDraws, share, 0.05 * share) << rank;
  }
  double first_hundred = 0;
  double expected = 0;
  for (std::uint64_t rank = 0; rank < 100; ++rank) {
    first_hundred += static_cast<double>(counts[rank]) / kDraws;
    expected += expected_share(rank, kCount, Zipfian::kYcsbSkew);
  }
  EXPECT_NEAR(first_hundred, expected, 0.03 * expected);
  EXPECT_GT(counts[kCount - 1] + counts[kCount - 2] + counts[kCount - 3], 0);
}

TEST(BenchZipfian, GrownIsAsMadeThatLarge) {
  Zipfian grown(10);
  grown.grow(500);
  EXPECT_EQ(counts_of(grown, 2), counts_of(Zipfian(500), 2));
}

TEST(BenchZipfian, DrawsNothingPastItsCount) {
  const Zipfian two(2);
  const auto counts = counts_of(two, 3);
  EXPECT_EQ(counts[0] + counts[1], kDraws);
  EXPECT_GT(counts[0], counts[1]);
  EXPECT_GT(counts[1], 0);
}

TEST(BenchZipfian, ScatteredRanksAreNoNeighbours) {
  constexpr std::uint64_t kCount = 1'000'000;
  std::set<std::uint64_t> places;
  for (std::uint64_t rank = 0; rank < 100; ++rank) {
    const std::uint64_t place = scattered(rank, kCount);
    EXPECT_LT(place, kCount);
    EXPECT_FALSE(places.contains(place + 1) || (place > 0 && places.contains(place - 1)));
    places.insert(place);
  }
  EXPECT_GT(places.size(), 95);
}

}  // namespace
}  // namespace nacre::bench
