#include "nacre/clock.h"

#include <ctime>

#include <atomic>

namespace nacre {
namespace {

std::uint64_t read_clock_ns(clockid_t id) noexcept {
  timespec now{};
  clock_gettime(id, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 +
         static_cast<std::uint64_t>(now.tv_nsec);
}

}  // namespace

std::uint64_t SystemClock::monotonic_ns() noexcept { return read_clock_ns(CLOCK_MONOTONIC); }
std::uint64_t SystemClock::wall_ns() noexcept { return read_clock_ns(CLOCK_REALTIME); }

ManualClock::ManualClock(std::uint64_t start_ns) noexcept : now_ns_(start_ns) {}

// Relaxed throughout: a reading orders nothing but itself.

std::uint64_t ManualClock::monotonic_ns() noexcept {
  return std::atomic_ref(now_ns_).load(std::memory_order_relaxed);
}

std::uint64_t ManualClock::wall_ns() noexcept { return monotonic_ns(); }

void ManualClock::advance_ns(std::uint64_t delta_ns) noexcept {
  std::atomic_ref(now_ns_).fetch_add(delta_ns, std::memory_order_relaxed);
}

}  // namespace nacre
