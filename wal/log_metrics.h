#pragma once

// What a log counts while it runs, and its metrics as text.
//
// Thread safety: every member may be read and written from any thread.

#include <atomic>
#include <cstdint>

#include "lib/metrics/histogram.h"
#include "lib/metrics/prometheus.h"
#include "nacre/pmem.h"
#include "nacre/wal.h"

namespace nacre::wal {

/// Of all lanes together. Nothing here is touched by an append in a memory domain, which has no
/// device to wait for.
struct LogMetrics {
  Histogram device_write_ns;  ///< Block domain: one commit, from its begin to the device's answer.
  std::atomic<std::uint64_t> device_written_bytes{0};
  std::atomic<std::uint64_t> segments_begun{0};
  std::atomic<std::uint64_t> poisoned_lanes{0};
};

/// The families that do not depend on what the lanes are called.
void write_log_metrics(PrometheusWriter& writer, const LogMetrics& metrics,
                       const DomainInfo& domain, const RecoveryReport& recovery);

}  // namespace nacre::wal
