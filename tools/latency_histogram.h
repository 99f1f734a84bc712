#pragma once

// Latencies counted in buckets whose width grows with the value: at most 3 % error, fixed memory.
//
// The buckets lie in memory the caller gives, such as a mapped file, so that what a killed process
// has measured is not lost with it. The layout follows HdrHistogram (hdrhistogram.org): each power
// of two is cut into 32 equal parts.

#include <array>
#include <cstddef>
#include <cstdint>

namespace nacre::tools {

inline constexpr std::size_t kLatencySubBuckets = 32;
/// Values below 32 have a bucket each; above, 59 powers of two with 32 parts each.
inline constexpr std::size_t kLatencyBuckets = 60 * kLatencySubBuckets;

/// Plain data: zero-initialised memory is an empty histogram.
struct LatencyHistogram {
  std::array<std::uint64_t, kLatencyBuckets> counts{};

  void add(std::uint64_t value_ns) noexcept;
  void add_all(const LatencyHistogram& other) noexcept;
  std::uint64_t total() const noexcept;
  /// The value that `percent` (0 to 100) of all do not exceed, rounded up to the end of its
  /// bucket; 0 when empty.
  std::uint64_t percentile(double percent) const noexcept;
};

}  // namespace nacre::tools
