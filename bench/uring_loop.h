#pragma once

// The floor of asynchronous I/O: liburing called by hand, with registered file and buffers, and
// nothing else around it.

#include <liburing.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "bench/data_file.h"
#include "bench/scratch.h"
#include "bench/transfer.h"

namespace nacre::bench {

/// Thread: the one that opens it is the one that uses it.
class UringLoop {
 public:
  /// `data_sync` opens the file with O_DSYNC. Errors: `io`.
  static Result<std::unique_ptr<UringLoop>> open(const DataFile::Place& place,
                                                 const Transfer& transfer, bool data_sync = false);
  ~UringLoop();
  UringLoop(const UringLoop&) = delete;
  UringLoop& operator=(const UringLoop&) = delete;

  /// Keeps all transfers in flight for `slice`; beside it, `p50_ns` and `p99_ns` when
  /// `with_latency`. Errors: `io`.
  Result<Sample> run(Nanoseconds slice, bool with_latency = false);
  /// Does so until `stop`, and counts in `ended`. Errors: `io`.
  Status run_until(const std::atomic<bool>& stop, std::atomic<std::uint64_t>& ended);

 private:
  UringLoop(Descriptor file, const Transfer& transfer, std::size_t file_bytes);
  Status set_up();
  void begin(std::size_t slot);
  void begin_all();
  Result<std::uint64_t> turn(bool go_on);
  Status drain();

  Descriptor file_;
  Transfer transfer_;
  Offsets offsets_;
  TransferBuffers buffers_;
  io_uring ring_{};
  bool has_ring_ = false;
  std::size_t in_flight_ = 0;
  bool with_latency_ = false;
  std::vector<SteadyClock::time_point> begun_;
  std::vector<std::uint64_t> latencies_ns_;
};

}  // namespace nacre::bench
