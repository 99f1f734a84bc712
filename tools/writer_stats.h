#pragma once

// Figures of a writer in a mapped file, so that they outlive a writer that is killed.

#include <cstdint>
#include <filesystem>

#include "lib/metrics/histogram.h"
#include "nacre/result.h"

namespace nacre::tools {

/// Plain data; a file of zeros is its initial state. One process writes at a time. It is read back
/// on the machine that wrote it and is no on-media format.
struct WriterStats {
  std::uint64_t records = 0;      ///< Acknowledged.
  std::uint64_t bytes = 0;        ///< Of acknowledged records.
  std::uint64_t writing_ns = 0;   ///< From the first append to the newest acknowledgement.
  std::uint64_t opening_ns = 0;   ///< What the last `Log::open` took.
  std::uint64_t recovery_ns = 0;  ///< Recovery within it.
  HistogramCounts latency;        ///< From append to acknowledgement.
};

/// A WriterStats that lives in a file, or in memory when there is none.
class MappedWriterStats {
 public:
  /// In memory, gone with this object. Errors: `no_space`.
  static Result<MappedWriterStats> in_memory();
  /// In `path`, created when missing. Errors: `io`.
  static Result<MappedWriterStats> in_file(const std::filesystem::path& path);
  MappedWriterStats(MappedWriterStats&& other) noexcept;
  MappedWriterStats& operator=(MappedWriterStats&&) = delete;
  ~MappedWriterStats();

  WriterStats& operator*() const noexcept { return *stats_; }
  WriterStats* operator->() const noexcept { return stats_; }

 private:
  explicit MappedWriterStats(WriterStats* stats) : stats_(stats) {}
  static Result<MappedWriterStats> map(int descriptor);
  WriterStats* stats_;
};

}  // namespace nacre::tools
