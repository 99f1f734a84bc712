#pragma once

// The seam through which nacre reads time, so that a simulation can replay it.

#include "nacre/compiler.h"

#include <cstdint>

namespace nacre {

/// Thread safety: every member may be called from any thread.
class Clock {
 public:
  virtual ~Clock() = default;
  /// Nanoseconds since an arbitrary start; never goes back.
  virtual std::uint64_t monotonic_ns() noexcept = 0;
  /// Nanoseconds since 1970-01-01 UTC; may jump when somebody sets the machine's clock.
  virtual std::uint64_t wall_ns() noexcept = 0;
};

/// The machine's clocks (CLOCK_MONOTONIC, CLOCK_REALTIME).
class SystemClock final : public Clock {
 public:
  std::uint64_t monotonic_ns() noexcept override;
  std::uint64_t wall_ns() noexcept override;
};

/// A clock that moves only when told to. Both readings advance together.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(std::uint64_t start_ns = 1) noexcept;
  std::uint64_t monotonic_ns() noexcept override;
  std::uint64_t wall_ns() noexcept override;
  void advance_ns(std::uint64_t delta_ns) noexcept;

 private:
  std::uint64_t now_ns_;  // Accessed through std::atomic_ref.
};

}  // namespace nacre
