#include "lib/io/io_metrics.h"

#include <string>

namespace nacre {
namespace {

MetricLabels labels_of(std::size_t io_class) {
  return {{"class", std::string(io_class_name(static_cast<IoClass>(io_class)))}};
}

}  // namespace

void IoClassMetrics::count_end(const Status& status, std::uint64_t transferred,
                               std::uint64_t latency_ns) noexcept {
  requests.add(1);
  bytes.add(transferred);
  latency.record(latency_ns);
  if (status) return;
  const ErrorCode code = status.error().code();
  if (code == ErrorCode::kTimedOut) {
    timeouts.add(1);
  } else if (code != ErrorCode::kCancelled) {
    errors.add(1);
  }
}

void IoMetrics::write(PrometheusWriter& writer) const {
  const auto all = [&](IoCounter IoClassMetrics::* member) {
    for (std::size_t i = 0; i < kIoClasses; ++i) {
      writer.sample(labels_of(i), (classes[i].*member).value());
    }
  };
  const auto all_seconds = [&](Histogram IoClassMetrics::* member) {
    for (std::size_t i = 0; i < kIoClasses; ++i) {
      writer.sample_seconds(labels_of(i), (classes[i].*member).snapshot());
    }
  };
  writer.gauge("nacre_io_queued", "Requests that wait in the queue of their class.");
  all(&IoClassMetrics::queued);
  writer.gauge("nacre_io_in_flight", "Operations that the backend carries out.");
  all(&IoClassMetrics::in_flight);
  writer.counter("nacre_io_requests_total", "Requests that have ended.");
  all(&IoClassMetrics::requests);
  writer.counter("nacre_io_bytes_total", "Bytes that they have transferred.");
  all(&IoClassMetrics::bytes);
  writer.counter("nacre_io_merges_total", "Writes that went out as part of an adjacent one.");
  all(&IoClassMetrics::merges);
  writer.counter("nacre_io_timeouts_total", "Requests that ended because their time was up.");
  all(&IoClassMetrics::timeouts);
  writer.counter("nacre_io_errors_total", "Requests that failed otherwise, cancelled ones aside.");
  all(&IoClassMetrics::errors);
  writer.histogram("nacre_io_queue_wait_seconds", "Time from submission to the backend.");
  all_seconds(&IoClassMetrics::queue_wait);
  writer.histogram("nacre_io_latency_seconds", "Time from submission to completion.");
  all_seconds(&IoClassMetrics::latency);
}

}  // namespace nacre
