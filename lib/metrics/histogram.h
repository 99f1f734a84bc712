#pragma once

// Values counted in buckets whose width grows with the value: fixed memory, a bounded error, no
// lock.
//
// The layout is HdrHistogram's (hdrhistogram.org): values below 32 have a bucket each, and each
// power of two above is cut into 32 equal parts. So what a histogram says of a value is never below
// it, and at most 1/32 (3.2 %) above.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace nacre {

inline constexpr std::size_t kHistogramSubBuckets = 32;
inline constexpr std::size_t kHistogramBuckets = 60 * kHistogramSubBuckets;

/// The bucket that counts `value`.
std::size_t histogram_bucket(std::uint64_t value) noexcept;
/// The largest value that `bucket` counts.
std::uint64_t histogram_bucket_last(std::size_t bucket) noexcept;

/// Plain data: zeroed memory is an empty histogram, so it may lie in a mapped file and outlive the
/// process that filled it.
///
/// Thread safety: none of its own.
struct HistogramCounts {
  std::array<std::uint64_t, kHistogramBuckets> counts{};

  void add(std::uint64_t value) noexcept;
  void add_all(const HistogramCounts& other) noexcept;
  std::uint64_t total() const noexcept;
  /// The value that `percent` (0 to 100) of all do not exceed, rounded up to the end of its bucket;
  /// 0 when empty.
  std::uint64_t percentile(double percent) const noexcept;
};

/// A histogram that many threads fill while others look.
///
/// Thread safety: every member may be called from any thread. A `snapshot` beside `record` holds
/// each value wholly or not at all, and need not hold two values of one thread in the order of
/// their coming.
class Histogram {
 public:
  struct Snapshot {
    HistogramCounts values;
    std::uint64_t sum = 0;  ///< Of all values, exactly; wraps around at 2^64.
  };

  void record(std::uint64_t value) noexcept {
    counts_[histogram_bucket(value)].fetch_add(1, std::memory_order_relaxed);
    sum_.fetch_add(value, std::memory_order_relaxed);
  }
  Snapshot snapshot() const noexcept;

 private:
  std::array<std::atomic<std::uint64_t>, kHistogramBuckets> counts_{};
  std::atomic<std::uint64_t> sum_{0};
};

}  // namespace nacre
