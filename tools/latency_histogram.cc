#include "tools/latency_histogram.h"

#include <bit>
#include <cmath>
#include <numeric>

namespace nacre::tools {
namespace {

constexpr unsigned kSubBits = std::countr_zero(kLatencySubBuckets);

std::size_t bucket_of(std::uint64_t value) noexcept {
  if (value < kLatencySubBuckets) return static_cast<std::size_t>(value);
  const auto shift = static_cast<unsigned>(std::bit_width(value)) - 1 - kSubBits;
  const std::uint64_t part = (value >> shift) - kLatencySubBuckets;
  return (shift + 1) * kLatencySubBuckets + static_cast<std::size_t>(part);
}

std::uint64_t bucket_last(std::size_t bucket) noexcept {
  if (bucket < kLatencySubBuckets) return bucket;
  const std::size_t shift = bucket / kLatencySubBuckets - 1;
  const std::uint64_t part = bucket % kLatencySubBuckets + kLatencySubBuckets;
  return (part << shift) + (std::uint64_t{1} << shift) - 1;
}

}  // namespace

void LatencyHistogram::add(std::uint64_t value_ns) noexcept { ++counts[bucket_of(value_ns)]; }

void LatencyHistogram::add_all(const LatencyHistogram& other) noexcept {
  for (std::size_t i = 0; i < counts.size(); ++i) counts[i] += other.counts[i];
}

std::uint64_t LatencyHistogram::total() const noexcept {
  return std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
}

std::uint64_t LatencyHistogram::percentile(double percent) const noexcept {
  const std::uint64_t all = total();
  if (all == 0) return 0;
  const double wanted = std::ceil(static_cast<double>(all) * percent / 100);
  std::uint64_t seen = 0;
  for (std::size_t bucket = 0; bucket < counts.size(); ++bucket) {
    seen += counts[bucket];
    if (counts[bucket] > 0 && static_cast<double>(seen) >= wanted) return bucket_last(bucket);
  }
  return bucket_last(counts.size() - 1);
}

}  // namespace nacre::tools
