#pragma once

// The contenders of commit_block/*: 100 bytes made durable on an ordinary file system.

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bench/harness.h"
#include "bench/scratch.h"
#include "bench/workload.h"

namespace nacre::bench {

inline constexpr std::size_t kCommitPayloadBytes = 100;
/// The size of nacre's segment, and of the file every bare contender goes round in.
inline std::size_t commit_file_bytes(const Setting& setting) noexcept {
  if (setting.file_bytes > 0) return setting.file_bytes;
  return std::size_t{setting.quick ? 16U : 64U} << 20;
}

Contender rocksdb_put(const Setting& setting, std::size_t threads);
Contender leveldb_put(const Setting& setting, std::size_t threads);
Contender lmdb_put(const Setting& setting, std::size_t threads);
Contender pwrite_fdatasync(const Setting& setting, std::size_t threads);
Contender msync_pages(const Setting& setting, std::size_t threads);

/// Errors: `not_found` when the setting has no disk directory, `io`.
Result<ScratchDirectory> scratch_on_disk(const Setting& setting);

/// An `io` error with the calling thread's errno.
Error errno_error(std::string message);

/// Runs `operation()`, which returns a Status, for `slice`; nanoseconds each, or the first error.
template <class Operation>
Result<double> measure_each(Nanoseconds slice, Operation&& operation) {
  std::optional<Error> error;
  const std::optional<double> figure = ns_per_operation(slice, [&](std::uint64_t n) {
    for (std::uint64_t i = 0; i < n; ++i) {
      if (Status status = operation(); !status) {
        error = status.error();
        return false;
      }
    }
    return true;
  });
  if (!figure) return *error;
  return *figure;
}

/// As above for `operation(thread)` on so many threads, the calling one when that is 1: wall time
/// for each of all operations.
template <class Operation>
Result<double> measure_threads(std::size_t threads, Nanoseconds slice, Operation&& operation) {
  if (threads == 1) return measure_each(slice, [&] { return operation(std::size_t{0}); });
  std::vector<std::optional<Error>> errors(threads);
  const std::optional<double> rate =
      operations_per_second(threads, slice, [&](std::size_t thread, std::uint64_t n) {
        for (std::uint64_t i = 0; i < n; ++i) {
          if (Status status = operation(thread); !status) {
            errors[thread] = status.error();
            return false;
          }
        }
        return true;
      });
  if (rate) return 1e9 / *rate;
  for (const std::optional<Error>& error : errors) {
    if (error) return *error;
  }
  return Error(ErrorCode::kIo, "a thread failed without an error");
}

}  // namespace nacre::bench
