#pragma once

// What a scheduler counts of its requests, by class. docs/metrics.md says what each means.
//
// Thread safety: counted under the scheduler's lock, read by anybody.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "lib/metrics/histogram.h"
#include "lib/metrics/prometheus.h"
#include "nacre/io.h"

namespace nacre {

/// Written by one thread at a time: an addition is then a load and a store, not a locked one.
class IoCounter {
 public:
  void add(std::uint64_t delta) noexcept {
    value_.store(value() + delta, std::memory_order_relaxed);
  }
  void set(std::uint64_t value) noexcept { value_.store(value, std::memory_order_relaxed); }
  std::uint64_t value() const noexcept { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

struct IoClassMetrics {
  IoCounter requests;  ///< That have ended.
  IoCounter bytes;     ///< Transferred by them.
  IoCounter merges;    ///< Writes that went out as part of another.
  IoCounter timeouts;
  IoCounter errors;  ///< Other than timeouts and cancellations.
  IoCounter queued;
  IoCounter in_flight;
  Histogram queue_wait;  ///< From submission to the backend.
  Histogram latency;     ///< From submission to completion.

  void count_end(const Status& status, std::uint64_t transferred,
                 std::uint64_t latency_ns) noexcept;
};

struct IoMetrics {
  std::array<IoClassMetrics, kIoClasses> classes;

  IoClassMetrics& of(IoClass io_class) noexcept {
    return classes[static_cast<std::size_t>(io_class)];
  }
  void write(PrometheusWriter& writer) const;
};

}  // namespace nacre
