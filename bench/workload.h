#pragma once

// What the benchmarks of the log have in common: the payloads everybody appends, and threads.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "bench/harness.h"
#include "nacre/types.h"

namespace nacre::bench {

/// Where and how large.
struct Setting {
  std::filesystem::path memory_directory;  ///< On tmpfs.
  std::filesystem::path disk_directory;    ///< On an ordinary file system; empty: none there.
  bool quick = false;
  std::size_t file_bytes = 0;  ///< Of the files on the ordinary file system; 0: the row's choice.
  std::string device = {};     ///< Memory as slow as this device; empty: as it is.
};

/// 16 payloads of random bytes, taken in turn: small enough for the first cache levels, so that
/// reading them costs every contender the same little.
class Payloads {
 public:
  explicit Payloads(std::size_t bytes);
  Bytes at(std::uint64_t index) const noexcept {
    return {storage_.data() + index % kCount * stride_, bytes_};
  }
  const std::byte* data() const noexcept { return storage_.data(); }
  /// Bytes from one payload to the next; at least a record of this payload with its header.
  std::size_t stride() const noexcept { return stride_; }

 private:
  static constexpr std::uint64_t kCount = 16;
  std::size_t bytes_;
  std::size_t stride_;
  std::vector<std::byte> storage_;
};

/// Bytes of a record's header (docs/format/record.md): what the floor adds to the payload.
inline constexpr std::size_t kRecordHeaderBytes = 24;

/// Bytes of a whole record in the log: header and payload in whole cache lines.
std::size_t record_bytes(std::size_t payload_bytes) noexcept;

/// Runs `chunk(thread, n)` on `threads` threads for `slice`. Returns all threads' operations over
/// the time from the common start to the last end; nullopt when an operation failed.
std::optional<double> operations_per_second(
    std::size_t threads, Nanoseconds slice,
    const std::function<bool(std::size_t thread, std::uint64_t n)>& chunk);

}  // namespace nacre::bench
