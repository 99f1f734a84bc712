#pragma once

// Walks the records of one lane from outside the process that writes it: by the segment files
// alone, with no lock and no write. Shows a record only after having made it durable itself.
//
// The writer may give up and reuse a segment at any time. So bytes are copied first, and then the
// header is read: as long as it speaks of the same use, the copy is of that use, because a segment
// is given up, durably, before anything in it is overwritten. Nothing is ever read from a mapping.
//
// One thread at a time.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "mmap/segment_format.h"
#include "nacre/file_system.h"
#include "nacre/result.h"
#include "nacre/wal.h"
#include "pmem/anonymous_memory.h"
#include "wal/log_listing.h"
#include "wal/segment_scan.h"

namespace nacre::wal {

class TailCursor {
 public:
  /// Stands before the first record of `lane` with an LSN of at least `from`, which need not be
  /// there yet. `file_system` is borrowed and outlives the cursor.
  /// Errors: `not_found` (truncated away); as `find_lane` and `next`.
  static Result<std::unique_ptr<TailCursor>> open(FileSystem& file_system, LogLocation log,
                                                  std::uint32_t lane, Lsn from);

  /// False when there is nothing more for now: where frames end in a segment that does not state
  /// its end, or at the stated end of the newest one.
  /// Errors: `corruption` (a damaged frame before a stated end, a missing segment), `io`,
  /// `not_found` (truncated away meanwhile).
  Result<bool> next();
  /// Stays what it is until the next call of `next`, whatever the writer does.
  const RecordView& record() const noexcept { return record_; }

 private:
  TailCursor(FileSystem& file_system, LogLocation log, std::uint32_t lane, Lsn from)
      : file_system_(file_system), log_(std::move(log)), lane_(lane), from_(from) {}

  Result<bool> find_segment(std::uint64_t lane_sequence);
  Result<bool> next_segment();
  Result<bool> open_file(SegmentId id, std::uint64_t lane_sequence);
  Result<bool> next_record();
  Result<bool> extend();
  Status copy_in(std::size_t begin, std::size_t end);
  Result<SegmentScan> scan_copy(std::size_t limit);
  Status look_at_header();
  void take(const FrameRead& frame) noexcept;
  void take_batch_entry() noexcept;

  FileSystem& file_system_;
  const LogLocation log_;
  const std::uint32_t lane_;
  const Lsn from_;
  std::unique_ptr<File> file_;  // Null while the lane has no segment.
  SegmentState state_;          // As its header was at the last look.
  std::uint32_t seed_ = 0;
  /// The segment as far as it was copied; made with the first segment.
  std::optional<pmem::AnonymousMemory> copy_;
  std::size_t chunk_bytes_ = 0;   // So much is copied next.
  std::size_t released_ = 0;      // Memory of the copy before this was given back.
  std::size_t offset_ = 0;        // Of the next frame.
  std::size_t readable_end_ = 0;  // Copied, valid and made durable up to here.
  bool all_durable_ = false;      // The segment is full, and was synced since.
  Lsn last_;                      // The newest LSN before `offset_`.
  RecordView record_;
  Bytes batch_;  // Of the current frame, when it is a batch.
  std::size_t batch_offset_ = 0;
};

}  // namespace nacre::wal
