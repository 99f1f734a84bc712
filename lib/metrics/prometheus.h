#pragma once

// Metrics as text for Prometheus: its exposition format, version 0.0.4
// (prometheus.io/docs/instrumenting/exposition_formats).
//
// Thread safety: one thread at a time.

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lib/metrics/histogram.h"

namespace nacre {

/// Name and value; the value may be anything.
using MetricLabels = std::vector<std::pair<std::string_view, std::string>>;

/// Writes one family after the other. Names are [a-z0-9_] and carry their unit in base units, as
/// Prometheus asks: `_bytes`, `_seconds`, `_total` for counters.
class PrometheusWriter {
 public:
  /// Begins a family; the samples that follow belong to it. `help` is a sentence.
  void counter(std::string_view name, std::string_view help);
  void gauge(std::string_view name, std::string_view help);
  void histogram(std::string_view name, std::string_view help);

  /// A sample of a counter or gauge.
  void sample(const MetricLabels& labels, std::uint64_t value);
  void sample_ratio(const MetricLabels& labels, double value);
  /// A sample of a histogram whose values are nanoseconds, told in seconds. Its buckets end one
  /// nanosecond before the powers of two from 2^10 (1 µs) to 2^34 (17 s), and at infinity.
  void sample_seconds(const MetricLabels& labels, const Histogram::Snapshot& snapshot);

  const std::string& text() const noexcept { return text_; }

 private:
  void begin(std::string_view name, std::string_view help, std::string_view type);
  void line(std::string_view suffix, const MetricLabels& labels, std::string_view value);

  std::string name_;
  std::string text_;
};

}  // namespace nacre
