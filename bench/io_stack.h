#pragma once

// A scheduler over a backend over a file, set up as a user would.

#include <memory>
#include <optional>
#include <string>

#include "bench/data_file.h"
#include "bench/transfer.h"
#include "lib/io/io_scheduler.h"
#include "nacre/io.h"

namespace nacre::bench {

class IoStack {
 public:
  /// A backend of one thread leaves all driving to callers. Errors: `io`, those of make_io_backend.
  static Result<std::unique_ptr<IoStack>> open(const DataFile::Place& place,
                                               const IoBackendOptions& options);
  /// Over a backend of the caller's own, and a file that nothing is read from.
  static Result<std::unique_ptr<IoStack>> over(std::unique_ptr<IoBackend> backend);
  IoStack(const IoStack&) = delete;
  IoStack& operator=(const IoStack&) = delete;

  IoScheduler& scheduler() noexcept { return *scheduler_; }
  const IoFile& file() const noexcept { return *io_file_; }
  std::size_t file_bytes() const noexcept { return file_bytes_; }

 private:
  IoStack() = default;
  void add_scheduler(std::unique_ptr<IoBackend> backend, bool own_thread);

  PosixFileSystem file_system_;
  SystemClock clock_;
  std::unique_ptr<File> file_;
  std::size_t file_bytes_ = 0;
  std::unique_ptr<IoScheduler> scheduler_;
  std::optional<IoFile> io_file_;
};

/// The engine that these options give on this machine, with the features that are on.
std::string describe_engine(const IoBackendOptions& options);

}  // namespace nacre::bench
