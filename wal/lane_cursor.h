#pragma once

// Walks the records of one lane in order, up to what is durable. One thread at a time.

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <utility>

#include "mmap/segment.h"
#include "nacre/result.h"
#include "nacre/wal.h"
#include "pmem/media_guard.h"
#include "wal/lane_segments.h"
#include "wal/segment_scan.h"

namespace nacre::wal {

class LaneCursor {
 public:
  /// Stands before the first record with an LSN of at least `from`. `segments` is borrowed and
  /// outlives the cursor.
  /// Errors: `not_found` when records from `from` on were truncated away; as `next`.
  static Result<std::unique_ptr<LaneCursor>> open(const LaneSegments& segments, Lsn from);

  /// As LaneReader::next.
  Result<bool> next();
  const RecordView& record() const noexcept { return record_; }
  /// Runs `body()`, which looks into the current record: what could be read a moment ago may be
  /// gone when the file is cut short under us. Errors: `io`.
  template <class Body>
  Status look(Body&& body) const {
    const std::byte* fault = pmem::catch_media_fault(pin_.bytes, std::forward<Body>(body));
    if (fault == nullptr) return {};
    return unreadable(fault);
  }
  /// Keeps the current record where it is.
  const SegmentPin& pin() const noexcept { return pin_; }

 private:
  LaneCursor(const LaneSegments& segments, std::shared_ptr<LaneSegment> segment, Lsn from);

  Result<bool> next_frame();
  Result<bool> next_segment();
  Result<bool> next_batch_entry();
  Error unreadable(const std::byte* fault) const;
  Status take(const FrameRead& frame);
  Status read_ahead();
  Status read_one();
  void stand_at(std::size_t offset, Lsn last) noexcept;

  /// Frames are read and verified so many at a time.
  static constexpr std::size_t kFramesAhead = 16;

  const LaneSegments& segments_;
  std::shared_ptr<LaneSegment> segment_;  // Null while the lane has none.
  SegmentPin pin_;
  std::array<FrameRead, kFramesAhead> ahead_;
  std::size_t ahead_next_ = 0;
  std::size_t ahead_end_ = 0;
  std::size_t offset_ = 0;        // Of the first frame that is not in `ahead_`.
  std::size_t readable_end_ = 0;  // What `pin_` shows up to here is durable.
  std::size_t begin_ = 0;         // Where reading began in this segment.
  std::size_t expected_end_ = 0;  // Up to here pages have been asked for.
  Lsn last_;                      // The newest LSN before `offset_`.
  Lsn from_;
  RecordView record_;
  Bytes batch_;  // Of the current frame, when it is a batch.
  std::size_t batch_offset_ = 0;
};

/// What a frame that should be there, and is not, means: `corruption` with segment and offset.
Error damaged_frame(const FrameRead& frame, const std::filesystem::path& path, Lsn last);
/// A SIGBUS while reading `path`: `io` with the offset.
Error unreadable_media(const std::filesystem::path& path, std::uint64_t offset);

}  // namespace nacre::wal
