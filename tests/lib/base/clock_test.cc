#include "nacre/clock.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace nacre {
namespace {

struct ClockCase {
  std::string name;
  std::unique_ptr<Clock> (*make)();
};

class ClockContract : public testing::TestWithParam<ClockCase> {
 protected:
  std::unique_ptr<Clock> clock_ = GetParam().make();
};

TEST_P(ClockContract, MonotonicTimeNeverGoesBack) {
  std::uint64_t last = clock_->monotonic_ns();
  for (int i = 0; i < 1000; ++i) {
    const std::uint64_t now = clock_->monotonic_ns();
    ASSERT_GE(now, last);
    last = now;
  }
}

TEST_P(ClockContract, MayBeReadFromSeveralThreads) {
  std::vector<std::thread> readers;
  for (int i = 0; i < 4; ++i) {
    readers.emplace_back([this] {
      for (int j = 0; j < 100; ++j) {
        EXPECT_GT(clock_->monotonic_ns(), 0U);
        EXPECT_GT(clock_->wall_ns(), 0U);
      }
    });
  }
  for (std::thread& reader : readers) reader.join();
}

INSTANTIATE_TEST_SUITE_P(
    All, ClockContract,
    testing::Values(ClockCase{"System", [] { return std::unique_ptr<Clock>(new SystemClock); }},
                    ClockCase{"Manual", [] { return std::unique_ptr<Clock>(new ManualClock); }}),
    [](const auto& one) { return one.param.name; });

TEST(SystemClock, WallTimeIsNanosecondsSince1970) {
  // 2020-01-01 and 2200-01-01: wrong units or a wrong start miss this window by far.
  constexpr std::uint64_t kNsPerSecond = 1'000'000'000;
  const std::uint64_t seconds = SystemClock().wall_ns() / kNsPerSecond;
  EXPECT_GT(seconds, 1'577'836'800U);
  EXPECT_LT(seconds, 7'258'118'400U);
}

TEST(ManualClock, MovesOnlyWhenTold) {
  ManualClock clock(5);
  EXPECT_EQ(clock.monotonic_ns(), 5U);
  EXPECT_EQ(clock.monotonic_ns(), 5U);
  clock.advance_ns(10);
  EXPECT_EQ(clock.monotonic_ns(), 15U);
  EXPECT_EQ(clock.wall_ns(), 15U);
}

TEST(ManualClock, CountsEveryAdvanceOfEveryThread) {
  ManualClock clock(0);
  std::vector<std::thread> movers;
  for (int i = 0; i < 4; ++i) {
    movers.emplace_back([&clock] {
      for (int j = 0; j < 1000; ++j) clock.advance_ns(1);
    });
  }
  for (std::thread& mover : movers) mover.join();
  EXPECT_EQ(clock.monotonic_ns(), 4000U);
}

}  // namespace
}  // namespace nacre
