#pragma once

// What a slice took: wall time, processor time, and the spread of many latencies.

#include <cstdint>
#include <vector>

#include "bench/harness.h"

namespace nacre::bench {

/// Runs from its construction on. Processor time is that of all threads of this process, those the
/// kernel runs for it included.
class Stopwatch {
 public:
  Stopwatch() noexcept;
  Nanoseconds elapsed() const noexcept { return SteadyClock::now() - start_; }

  /// Operations a second, with `cpu_ns` beside it.
  Sample operations_per_second(std::uint64_t operations) const;
  /// Gigabytes (10^9) a second, with `cpu_ns` of one operation of `bytes` beside it.
  Sample gigabytes_per_second(std::uint64_t operations, std::size_t bytes) const;
  /// Nanoseconds an operation, with `cpu_ns` beside it.
  Sample ns_per_operation(std::uint64_t operations) const;

 private:
  SteadyClock::time_point start_;
  std::uint64_t cpu_start_ns_;
};

/// The value that `share` (0 to 1) of `values` do not exceed. Reorders them.
/// REQUIRES: `values` is not empty.
double percentile(std::vector<std::uint64_t>& values, double share);

}  // namespace nacre::bench
