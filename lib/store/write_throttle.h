#pragma once

// Slows writers down when tables are not written as fast as memtables fill, early and in
// proportion, so that they never have to be stopped for long.
//
// Writers are spaced by their bytes, all of them together, as by a leaky bucket (the virtual
// scheduling of ITU-T I.371, annex A). How far apart depends on the debt: nothing below half of
// what may pile up, then four times the rate at which memtables are written, falling to half of it.
//
// Thread safety: every member may be called from any thread.

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "nacre/clock.h"

namespace nacre::store {

class WriteThrottle {
 public:
  /// `clock` is borrowed; null: never slows anybody.
  explicit WriteThrottle(Clock* clock) : clock_(clock) {}

  /// `debt`: what has piled up, of what may (1). `bytes_per_second`: at which it is worked off, 0
  /// when not known yet.
  void set(double debt, double bytes_per_second) noexcept;

  /// Before `bytes` are written: how long the caller is to sleep first, in nanoseconds.
  std::uint64_t delay_ns(std::size_t bytes) noexcept {
    const std::uint64_t cost = ps_per_byte_.load(std::memory_order_relaxed);
    return cost == 0 ? 0 : take_turn(cost * bytes / 1000);
  }

  /// Whether there is so much debt that writers are slowed.
  bool is_behind() const noexcept { return behind_.load(std::memory_order_relaxed); }

  static constexpr double kFreeDebt = 0.5;
  /// Nobody is held up longer at once, whatever the debt.
  static constexpr std::uint64_t kLongestNs = 10'000'000;

 private:
  std::uint64_t take_turn(std::uint64_t length_ns) noexcept;

  Clock* const clock_;
  std::atomic<std::uint64_t> ps_per_byte_{0};
  std::atomic<bool> behind_{false};
  std::atomic<std::uint64_t> next_turn_ns_{0};
};

}  // namespace nacre::store
