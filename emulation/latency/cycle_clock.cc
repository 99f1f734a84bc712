#include "emulation/latency/cycle_clock.h"

#include <algorithm>
#include <limits>

#if defined(__x86_64__)
#include <cpuid.h>
#include <x86intrin.h>
#endif

namespace nacre {
namespace {

constexpr unsigned kScaleBits = 32;

#if defined(__x86_64__)
/// Whether the counter runs at one rate in every state of power and on every core: CPUID
/// 80000007H, bit 8 of EDX ("invariant TSC"; Intel SDM volume 3, "Time-Stamp Counter", and AMD's
/// manual volume 3, appendix E).
bool counts_steadily() noexcept {
  unsigned a = 0;
  unsigned b = 0;
  unsigned c = 0;
  unsigned d = 0;
  return __get_cpuid(0x80000007U, &a, &b, &c, &d) != 0 && (d & (1U << 8)) != 0;
}
std::uint64_t count_cycles() noexcept { return __rdtsc(); }
#else
bool counts_steadily() noexcept { return false; }
std::uint64_t count_cycles() noexcept { return 0; }
#endif

struct Moment {
  std::uint64_t ns = 0;
  std::uint64_t cycles = 0;
};

/// Both counters at nearly the same time: of several tries the one with the least between.
Moment moment_now(Clock& clock) noexcept {
  constexpr int kTries = 20;
  Moment best;
  std::uint64_t least_ns = std::numeric_limits<std::uint64_t>::max();
  for (int i = 0; i < kTries; ++i) {
    const std::uint64_t before_ns = clock.monotonic_ns();
    const std::uint64_t cycles = count_cycles();
    const std::uint64_t took_ns = clock.monotonic_ns() - before_ns;
    if (took_ns >= least_ns) continue;
    least_ns = took_ns;
    best = {.ns = before_ns + took_ns / 2, .cycles = cycles};
  }
  return best;
}

}  // namespace

CycleClock::CycleClock() {
  if (!counts_steadily()) return;
  constexpr std::uint64_t kCalibrateNs = 5'000'000;
  const Moment begin = moment_now(system_);
  while (system_.monotonic_ns() - begin.ns < kCalibrateNs) {
  }
  const Moment end = moment_now(system_);
  if (end.cycles <= begin.cycles) return;
  begin_ns_ = end.ns;
  begin_cycles_ = end.cycles;
  scaled_ns_ = static_cast<std::uint64_t>(
      (static_cast<__uint128_t>(end.ns - begin.ns) << kScaleBits) / (end.cycles - begin.cycles));
}

std::uint64_t CycleClock::monotonic_ns() noexcept {
  if (scaled_ns_ == 0) return system_.monotonic_ns();
  // Another core may count a little behind.
  const __uint128_t cycles = std::max(count_cycles(), begin_cycles_) - begin_cycles_;
  return begin_ns_ + static_cast<std::uint64_t>((cycles * scaled_ns_) >> kScaleBits);
}

}  // namespace nacre
