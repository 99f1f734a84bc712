#pragma once

// Reading frames out of a segment's bytes: pure functions, no allocation, no exception, nothing to
// clean up, so that they may run under a media guard.

#include <cstddef>
#include <cstdint>
#include <span>

#include "nacre/types.h"
#include "wal/record_format.h"
#include "wal/sparse_index.h"

namespace nacre::wal {

/// Why no frame was read.
enum class FrameFault : std::uint8_t {
  kNone,
  kEnd,       ///< Less than a header before the end of the bytes.
  kLength,    ///< Unknown kind, or a length that does not fit.
  kChecksum,  ///< The checksum does not match.
  kOrder,     ///< A valid frame whose LSN is not above the one before.
  kBatch,     ///< A valid batch frame whose entries do not add up: no correct writer made it.
};

/// A frame that was read, or why not.
struct FrameRead {
  FrameFault fault = FrameFault::kNone;
  FrameKind kind = FrameKind::kData;
  std::uint16_t tag = 0;
  std::uint32_t records = 0;  ///< How many it holds: 0 for pad and resume.
  Lsn first;                  ///< LSN of its first record.
  std::uint32_t durable_distance = 0;
  std::size_t offset = 0;  ///< Where it begins.
  std::size_t next = 0;    ///< Where the next one begins.
  Bytes payload;

  Lsn last() const noexcept { return Lsn{first.value + records - 1}; }
};

/// Reads the frame at exactly `offset`, without regard to order. `segment` is the whole file.
FrameRead read_frame_at(Bytes segment, std::uint32_t seed, std::size_t offset) noexcept;

/// Reads the frame that follows in the log at `offset`: the one there, or the resume frame at the
/// next block that names `offset` as the end of the frames before it. `last` is the newest LSN so
/// far; the frame's records must be newer.
FrameRead read_next_frame(Bytes segment, std::uint32_t seed, std::size_t offset, Lsn last) noexcept;

/// Reads the frames that follow at `offset`, as `read_next_frame`, into `frames`. Returns how many;
/// when there is room for more, the next of `frames` says why there are none.
std::size_t read_frames(Bytes segment, std::uint32_t seed, std::size_t offset, Lsn last,
                        std::span<FrameRead> frames) noexcept;

/// One record of a batch frame's payload.
struct BatchRead {
  std::uint16_t tag = 0;
  Bytes payload;
  std::size_t next = 0;  ///< Where in the batch payload the next entry begins.
};
/// Reads the entry at `offset` of a batch payload that `read_frame_at` accepted.
BatchRead read_batch_entry(Bytes batch, std::size_t offset) noexcept;

/// What a scan from the first frame on found.
struct SegmentScan {
  std::size_t end = 0;  ///< Where frames stop validating.
  Lsn last;             ///< Newest LSN, or the one given when there is none.
  std::uint64_t records = 0;
  std::uint64_t frame_bytes = 0;  ///< Bytes of frames with records.
  std::size_t unproven = 0;       ///< Offset of the first frame no later frame proves durable.
  FrameFault fault = FrameFault::kEnd;  ///< Why it ended at `end`.
};

/// Reads frames from `begin` up to `limit`, adding to `index` (which may be null). `last` is the
/// newest LSN before `begin`.
SegmentScan scan_segment(Bytes segment, std::uint32_t seed, std::size_t begin, std::size_t limit,
                         Lsn last, SparseIndex* index) noexcept;

/// What lies behind the place where frames stopped validating.
struct TailSearch {
  std::uint64_t frames = 0;      ///< Valid frames found there.
  std::uint64_t bytes = 0;       ///< Their bytes.
  bool exhausted = false;        ///< Given up: too much there looks like frames and is none.
  bool proves_rot = false;       ///< One of them says that what is missing had been durable.
  std::size_t proof_offset = 0;  ///< Where that one lies.
  Lsn proof_lsn;
};

/// Looks for valid frames of this use of the segment behind `end`, where `last` is the newest valid
/// LSN before it. `on_frame(context, offset)` is called for each.
///
/// A torn tail was never acknowledged, so no frame behind it can claim that it was durable; a frame
/// that claims so proves that acknowledged bytes have rotted.
TailSearch search_tail(Bytes segment, std::uint32_t seed, std::size_t end, Lsn last,
                       void (*on_frame)(void* context, std::size_t offset) noexcept,
                       void* context) noexcept;

}  // namespace nacre::wal
