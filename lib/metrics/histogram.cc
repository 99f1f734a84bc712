#include "lib/metrics/histogram.h"

#include <bit>
#include <cmath>
#include <numeric>

namespace nacre {
namespace {

constexpr unsigned kSubBits = std::countr_zero(kHistogramSubBuckets);

}  // namespace

std::size_t histogram_bucket(std::uint64_t value) noexcept {
  if (value < kHistogramSubBuckets) return static_cast<std::size_t>(value);
  const auto shift = static_cast<unsigned>(std::bit_width(value)) - 1 - kSubBits;
  const std::uint64_t part = (value >> shift) - kHistogramSubBuckets;
  return (shift + 1) * kHistogramSubBuckets + static_cast<std::size_t>(part);
}

std::uint64_t histogram_bucket_last(std::size_t bucket) noexcept {
  if (bucket < kHistogramSubBuckets) return bucket;
  const std::size_t shift = bucket / kHistogramSubBuckets - 1;
  const std::uint64_t part = bucket % kHistogramSubBuckets + kHistogramSubBuckets;
  return (part << shift) + (std::uint64_t{1} << shift) - 1;
}

void HistogramCounts::add(std::uint64_t value) noexcept { ++counts[histogram_bucket(value)]; }

void HistogramCounts::add_all(const HistogramCounts& other) noexcept {
  for (std::size_t i = 0; i < counts.size(); ++i) counts[i] += other.counts[i];
}

std::uint64_t HistogramCounts::total() const noexcept {
  return std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
}

std::uint64_t HistogramCounts::percentile(double percent) const noexcept {
  const std::uint64_t all = total();
  if (all == 0) return 0;
  const double wanted = std::ceil(static_cast<double>(all) * percent / 100);
  std::uint64_t seen = 0;
  for (std::size_t bucket = 0; bucket < counts.size(); ++bucket) {
    seen += counts[bucket];
    if (counts[bucket] > 0 && static_cast<double>(seen) >= wanted) {
      return histogram_bucket_last(bucket);
    }
  }
  return histogram_bucket_last(counts.size() - 1);
}

Histogram::Snapshot Histogram::snapshot() const noexcept {
  Snapshot taken;
  for (std::size_t i = 0; i < counts_.size(); ++i) {
    taken.values.counts[i] = counts_[i].load(std::memory_order_relaxed);
  }
  taken.sum = sum_.load(std::memory_order_relaxed);
  return taken;
}

}  // namespace nacre
