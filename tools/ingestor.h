#pragma once

// Appends records to a partition with a bounded number of them in flight, and tells what has
// become durable as soon as it is known.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>

#include "nacre/clock.h"
#include "nacre/log.h"
#include "nacre/result.h"
#include "tools/writer_stats.h"

namespace nacre::tools {

/// Where acknowledgements go: after each step of the durable watermark, one line with it, in one
/// write(2), so that a line is there whole or not at all.
///
/// Thread safety: one thread at a time.
class AckSink {
 public:
  /// `target`: a number is an inherited file descriptor, anything else a file to create or empty;
  /// "" tells nobody. Errors: `invalid_argument` (no such descriptor), `io`.
  static Result<AckSink> open(const std::string& target);
  AckSink(AckSink&& other) noexcept;
  AckSink& operator=(AckSink&&) = delete;
  ~AckSink();

  /// Errors: `io`.
  Status tell(Offset durable_end);

 private:
  explicit AckSink(int descriptor) : descriptor_(descriptor) {}
  int descriptor_;  // -1: nobody listens.
};

struct IngestWindow {
  std::size_t records = 1024;                ///< At most this many unacknowledged records,
  std::size_t bytes = std::size_t{4} << 20;  ///< or as many bytes; one record always fits.
};

/// Thread safety: one thread at a time. Lifetime: partition, sink, stats and clock outlive it.
class Ingestor {
 public:
  Ingestor(Partition partition, AckSink& acks, WriterStats& stats, Clock& clock,
           IngestWindow window);

  /// Appends `record`; waits first while the window is full.
  /// Durability: none yet; see `settle`. Errors: as `Partition::submit` and `Partition::wait`.
  Status add(Bytes record);

  /// Waits until everything added is durable and told. Errors: as `Partition::wait`.
  Status settle();

 private:
  struct InFlight {
    Offset offset;
    std::uint64_t begin_ns = 0;
    std::size_t bytes = 0;
  };

  bool window_is_full(std::size_t next_bytes) const noexcept;
  Status wait_for_oldest();
  Status acknowledge();

  Partition partition_;
  AckSink& acks_;
  WriterStats& stats_;
  Clock& clock_;
  IngestWindow window_;
  std::deque<InFlight> in_flight_;
  std::size_t in_flight_bytes_ = 0;
  Offset told_;
  std::uint64_t busy_since_ns_ = 0;  // When the newest stretch of writing began; 0 between two.
};

}  // namespace nacre::tools
