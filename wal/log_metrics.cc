#include "wal/log_metrics.h"

#include <string>

namespace nacre::wal {

void write_log_metrics(PrometheusWriter& writer, const LogMetrics& metrics,
                       const DomainInfo& domain, const RecoveryReport& recovery) {
  writer.gauge("nacre_domain_info", "The persistence domain in use; always 1.");
  writer.sample({{"domain", std::string(domain_name(domain.kind))},
                 {"survives_power_loss", domain.survives_power_loss ? "yes" : "no"},
                 {"copy_routine", domain.copy_routine}},
                1);
  writer.histogram("nacre_device_write_seconds",
                   "Time of one durable write of log blocks, which carries all that waited.");
  writer.sample_seconds({}, metrics.device_write_ns.snapshot());
  writer.counter("nacre_device_written_bytes_total",
                 "Bytes of log blocks written, padding included.");
  writer.sample({}, metrics.device_written_bytes.load(std::memory_order_relaxed));
  writer.counter("nacre_segments_begun_total", "Segments that lanes went on in.");
  writer.sample({}, metrics.segments_begun.load(std::memory_order_relaxed));
  writer.gauge("nacre_poisoned_lanes",
               "Lanes that refuse writes after an error of the device; open the log again.");
  writer.sample({}, metrics.poisoned_lanes.load(std::memory_order_relaxed));
  writer.gauge("nacre_recovery_nanoseconds", "How long recovery took when the log was opened.");
  writer.sample({}, recovery.duration_ns);
  writer.gauge("nacre_recovered_records", "Records that recovery found when the log was opened.");
  writer.sample({}, recovery.records);
  writer.gauge("nacre_torn_tails", "Lanes whose unacknowledged tail recovery cut off.");
  writer.sample({}, recovery.torn_tails);
}

}  // namespace nacre::wal
