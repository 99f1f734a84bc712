#pragma once

// Walks the records of one lane from outside the process that writes it: by the segment files
// alone, with no lock and no write. Shows a record only after having made it durable itself.
//
// One thread at a time.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <utility>
#include <vector>

#include "mmap/file_view.h"
#include "mmap/segment_pool.h"
#include "nacre/file_system.h"
#include "nacre/result.h"
#include "nacre/wal.h"
#include "pmem/media_guard.h"
#include "wal/segment_scan.h"

namespace nacre::wal {

/// Where a lane's segments lie.
struct LaneLocation {
  std::filesystem::path segment_directory;
  Uuid log_uuid;
  std::uint32_t lane = 0;
};

/// The headers of all segment files of a log. One that disappears meanwhile is left out.
/// Errors: `corruption`, `unsupported`, `io`.
Result<std::vector<SegmentState>> list_segments(FileSystem& file_system,
                                                const std::filesystem::path& segment_directory,
                                                const Uuid& log_uuid);

/// The segments of one lane, oldest first, without those it has given up.
std::vector<SegmentState> lane_segments_of(const std::vector<SegmentState>& all,
                                           std::uint32_t lane);

class TailCursor {
 public:
  /// Stands before the first record with an LSN of at least `from`. Both are borrowed or copied;
  /// `file_system` outlives the cursor.
  /// Errors: `not_found` (truncated away); as `next`.
  static Result<std::unique_ptr<TailCursor>> open(FileSystem& file_system, LaneLocation location,
                                                  Lsn from);

  /// False when there is nothing more for now. Errors: `corruption`, `io`, `not_found` (truncated
  /// away meanwhile).
  Result<bool> next();
  const RecordView& record() const noexcept { return record_; }
  /// As LaneCursor::look.
  template <class Body>
  Status look(Body&& body) const {
    const std::byte* fault = pmem::catch_media_fault(view_->bytes(), std::forward<Body>(body));
    if (fault == nullptr) return {};
    return unreadable(fault);
  }

 private:
  TailCursor(FileSystem& file_system, LaneLocation location, Lsn from)
      : file_system_(file_system), location_(std::move(location)), from_(from) {}

  Result<bool> open_segment(std::uint64_t lane_sequence);
  Result<bool> next_record();
  Result<bool> extend();
  Result<FrameRead> read_frame() const;
  Result<SegmentScan> scan_on() const;
  Status take(const FrameRead& frame);
  Status take_batch_entry();
  Error unreadable(const std::byte* fault) const;

  FileSystem& file_system_;
  const LaneLocation location_;
  const Lsn from_;
  bool has_segment_ = false;
  SegmentState state_;  // As it was when the segment was opened or last looked at.
  std::uint32_t seed_ = 0;
  std::shared_ptr<const FileView> view_;
  std::size_t offset_ = 0;
  std::size_t readable_end_ = 0;  // Valid and made durable up to here.
  Lsn last_;
  RecordView record_;
  Bytes batch_;
  std::size_t batch_offset_ = 0;
};

}  // namespace nacre::wal
