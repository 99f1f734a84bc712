#include "emulation/latency/cycle_clock.h"

#include <gtest/gtest.h>

namespace nacre {
namespace {

/// A reading, and between which two of the machine's clock it was made.
struct Reading {
  std::uint64_t before_ns = 0;
  std::uint64_t ns = 0;
  std::uint64_t after_ns = 0;
};

Reading read(CycleClock& clock, SystemClock& system) {
  Reading reading;
  reading.before_ns = system.monotonic_ns();
  reading.ns = clock.monotonic_ns();
  reading.after_ns = system.monotonic_ns();
  return reading;
}

// However long the process is kept from running, a reading lies between two of the other clock.
TEST(CycleClock, RunsAsFastAsTheMachinesClock) {
  constexpr std::uint64_t kSpanNs = 20'000'000;
  SystemClock system;
  CycleClock clock;
  const Reading first = read(clock, system);
  while (system.monotonic_ns() - first.after_ns < kSpanNs) {
  }
  const Reading last = read(clock, system);
  const auto passed = static_cast<double>(last.ns - first.ns);
  EXPECT_GE(passed, 0.99 * static_cast<double>(last.before_ns - first.after_ns));
  EXPECT_LE(passed, 1.01 * static_cast<double>(last.after_ns - first.before_ns));
}

TEST(CycleClock, NeverGoesBack) {
  CycleClock clock;
  std::uint64_t last_ns = 0;
  for (int i = 0; i < 100'000; ++i) {
    const std::uint64_t now_ns = clock.monotonic_ns();
    ASSERT_GE(now_ns, last_ns);
    last_ns = now_ns;
  }
}

TEST(CycleClock, TellsTheSameDayAsTheMachine) {
  SystemClock system;
  CycleClock clock;
  const std::uint64_t before_ns = system.wall_ns();
  const std::uint64_t now_ns = clock.wall_ns();
  EXPECT_LE(before_ns, now_ns);
  EXPECT_LE(now_ns, system.wall_ns());
}

}  // namespace
}  // namespace nacre
