#include "lib/store/write_throttle.h"

#include <gtest/gtest.h>

namespace nacre::store {
namespace {

constexpr double kRate = 1e8;  // 10 ns a byte.

TEST(WriteThrottle, LetsEverybodyPassBelowHalfTheDebt) {
  ManualClock clock;
  WriteThrottle throttle(&clock);
  throttle.set(0.5, kRate);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(throttle.delay_ns(1'000'000), 0U);
}

TEST(WriteThrottle, LetsEverybodyPassWhileNothingIsKnown) {
  ManualClock clock;
  WriteThrottle throttle(&clock);
  throttle.set(1, 0);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(throttle.delay_ns(1'000'000), 0U);
  WriteThrottle without_clock(nullptr);
  without_clock.set(1, kRate);
  EXPECT_EQ(without_clock.delay_ns(1'000'000), 0U);
}

TEST(WriteThrottle, SpacesWritersByTheirBytesAndTheDebt) {
  for (const auto& [debt, bytes_per_second] :
       {std::pair{1.0, kRate * 0.5}, std::pair{0.75, kRate * 2.25}, std::pair{5.0, kRate * 0.5}}) {
    ManualClock clock;
    WriteThrottle throttle(&clock);
    throttle.set(debt, kRate);
    constexpr int kWrites = 1000;
    constexpr std::size_t kBytes = 50'000;
    for (int i = 0; i < kWrites; ++i) clock.advance_ns(throttle.delay_ns(kBytes));
    const double seconds = static_cast<double>(clock.monotonic_ns()) / 1e9;
    EXPECT_NEAR(kWrites * kBytes / seconds, bytes_per_second, bytes_per_second * 0.02) << debt;
  }
}

TEST(WriteThrottle, ManyWritersAtOnceShareTheRate) {
  ManualClock clock;
  WriteThrottle throttle(&clock);
  throttle.set(1, kRate);  // 20 ns a byte.
  EXPECT_EQ(throttle.delay_ns(100'000), 0U);
  EXPECT_EQ(throttle.delay_ns(100'000), 2'000'000U);
  EXPECT_EQ(throttle.delay_ns(100'000), 4'000'000U);
}

TEST(WriteThrottle, HoldsNobodyUpForLong) {
  ManualClock clock;
  WriteThrottle throttle(&clock);
  throttle.set(1, 1);  // A byte a second.
  for (int i = 0; i < 10; ++i) EXPECT_LE(throttle.delay_ns(1000), WriteThrottle::kLongestNs);
}

}  // namespace
}  // namespace nacre::store
