#pragma once

// A clock that costs half of what the kernel's costs to read (22 ns against 48 on a virtual machine
// here): what a fence is timed with should be small against the fence.
//
// Counts the processor's cycles where their rate never changes, otherwise reads CLOCK_MONOTONIC.
// Thread safety: as Clock.

#include <cstdint>

#include "nacre/clock.h"

namespace nacre {

class CycleClock final : public Clock {
 public:
  /// Takes some milliseconds, to find the rate.
  CycleClock();
  std::uint64_t monotonic_ns() noexcept override;
  std::uint64_t wall_ns() noexcept override { return system_.wall_ns(); }

 private:
  SystemClock system_;
  std::uint64_t begin_ns_ = 0;
  std::uint64_t begin_cycles_ = 0;
  /// Nanoseconds a cycle takes, times 2^32; 0 where cycles cannot be counted.
  std::uint64_t scaled_ns_ = 0;
};

}  // namespace nacre
