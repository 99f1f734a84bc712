#include "nacre/random.h"

#include <gtest/gtest.h>

#include <array>
#include <limits>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/seed.h"

namespace nacre {
namespace {

struct RandomCase {
  std::string name;
  std::unique_ptr<RandomSource> (*make)();
};

class RandomSourceContract : public testing::TestWithParam<RandomCase> {
 protected:
  std::unique_ptr<RandomSource> random_ = GetParam().make();
};

// Chance fails these two with a probability below 2^-190 and 2^-40.

TEST_P(RandomSourceContract, EveryBitTakesBothValues) {
  std::uint64_t ones = 0;
  std::uint64_t zeros = 0;
  for (int i = 0; i < 256; ++i) {
    const std::uint64_t drawn = random_->next_u64();
    ones |= drawn;
    zeros |= ~drawn;
  }
  EXPECT_EQ(ones, std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(zeros, std::numeric_limits<std::uint64_t>::max());
}

TEST_P(RandomSourceContract, ThreadsDrawDifferentNumbers) {
  std::mutex mutex;
  std::set<std::uint64_t> seen;
  std::vector<std::thread> drawers;
  for (int i = 0; i < 4; ++i) {
    drawers.emplace_back([&] {
      for (int j = 0; j < 500; ++j) {
        const std::uint64_t drawn = random_->next_u64();
        const std::lock_guard lock(mutex);
        seen.insert(drawn);
      }
    });
  }
  for (std::thread& drawer : drawers) drawer.join();
  EXPECT_EQ(seen.size(), 2000U);
}

TEST_P(RandomSourceContract, UniformNumbersStayBelowTheirBound) {
  for (const std::uint64_t bound :
       {std::uint64_t{1}, std::uint64_t{2}, std::uint64_t{3}, std::uint64_t{1} << 63,
        (std::uint64_t{1} << 63) + 1, std::numeric_limits<std::uint64_t>::max()}) {
    for (int i = 0; i < 200; ++i) ASSERT_LT(uniform_below(*random_, bound), bound);
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, RandomSourceContract,
    testing::Values(
        RandomCase{"System", [] { return std::unique_ptr<RandomSource>(new SystemRandom); }},
        RandomCase{"Seeded",
                   [] { return std::unique_ptr<RandomSource>(new SeededRandom(test::seed())); }}),
    [](const auto& one) { return one.param.name; });

// The first numbers of the authors' splitmix64.c for this seed.
TEST(SeededRandom, DrawsThePublishedSequence) {
  SeededRandom random(1234567);
  for (const std::uint64_t expected :
       {6457827717110365317U, 3203168211198807973U, 9817491932198370423U, 4593380528125082431U,
        16408922859458223821U}) {
    EXPECT_EQ(random.next_u64(), expected);
  }
}

TEST(UniformBelow, GivesEachNumberItsShare) {
  SeededRandom random(42);
  std::array<int, 6> counts{};
  for (int i = 0; i < 60000; ++i) ++counts[uniform_below(random, counts.size())];
  // Six standard deviations around 10000.
  for (const int count : counts) EXPECT_NEAR(count, 10000, 550);
}

// A bound just over half the range is where a plain modulo would draw low numbers twice as often.
TEST(UniformBelow, HasNoBiasAtLargeBounds) {
  SeededRandom random(43);
  const std::uint64_t bound = (std::uint64_t{1} << 63) + (std::uint64_t{1} << 62);
  int low = 0;
  for (int i = 0; i < 30000; ++i) low += uniform_below(random, bound) < bound / 3;
  EXPECT_NEAR(low, 10000, 500);
}

TEST(UniformBelowDeathTest, RefusesTheEmptyRange) {
  SeededRandom random(1);
  EXPECT_DEATH(uniform_below(random, 0), "bound != 0");
}

}  // namespace
}  // namespace nacre
