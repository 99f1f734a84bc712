#include "lib/metrics/prometheus.h"

#include <fmt/format.h>

namespace nacre {
namespace {

constexpr unsigned kFirstBound = 10;  // 2^10 ns, about a microsecond.
constexpr unsigned kLastBound = 34;   // 2^34 ns, about 17 s.

std::string escaped(std::string_view text) {
  std::string result;
  for (const char c : text) {
    if (c == '\\' || c == '"') result += '\\';
    if (c == '\n') {
      result += "\\n";
    } else {
      result += c;
    }
  }
  return result;
}

std::string seconds(std::uint64_t ns) { return fmt::format("{}", static_cast<double>(ns) / 1e9); }

}  // namespace

void PrometheusWriter::counter(std::string_view name, std::string_view help) {
  begin(name, help, "counter");
}

void PrometheusWriter::gauge(std::string_view name, std::string_view help) {
  begin(name, help, "gauge");
}

void PrometheusWriter::histogram(std::string_view name, std::string_view help) {
  begin(name, help, "histogram");
}

void PrometheusWriter::begin(std::string_view name, std::string_view help, std::string_view type) {
  name_ = name;
  text_ += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, help, name, type);
}

void PrometheusWriter::line(std::string_view suffix, const MetricLabels& labels,
                            std::string_view value) {
  text_ += fmt::format("{}{}", name_, suffix);
  std::string_view before = "{";
  for (const auto& [label, content] : labels) {
    text_ += fmt::format("{}{}=\"{}\"", before, label, escaped(content));
    before = ",";
  }
  if (!labels.empty()) text_ += "}";
  text_ += fmt::format(" {}\n", value);
}

void PrometheusWriter::sample(const MetricLabels& labels, std::uint64_t value) {
  line("", labels, fmt::format("{}", value));
}

void PrometheusWriter::sample_ratio(const MetricLabels& labels, double value) {
  line("", labels, fmt::format("{}", value));
}

void PrometheusWriter::sample_seconds(const MetricLabels& labels,
                                      const Histogram::Snapshot& snapshot) {
  MetricLabels bucket = labels;
  bucket.emplace_back("le", "");
  std::uint64_t below = 0;
  std::size_t next = 0;
  for (unsigned bound = kFirstBound; bound <= kLastBound; ++bound) {
    // The histogram's own buckets end in front of powers of two as well, so nothing is guessed.
    const std::uint64_t past = std::uint64_t{1} << bound;
    for (; next < histogram_bucket(past); ++next) below += snapshot.values.counts[next];
    bucket.back().second = seconds(past - 1);
    line("_bucket", bucket, fmt::format("{}", below));
  }
  const std::uint64_t all = snapshot.values.total();
  bucket.back().second = "+Inf";
  line("_bucket", bucket, fmt::format("{}", all));
  line("_sum", labels, seconds(snapshot.sum));
  line("_count", labels, fmt::format("{}", all));
}

}  // namespace nacre
