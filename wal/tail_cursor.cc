#include "wal/tail_cursor.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <iterator>
#include <span>
#include <utility>
#include <vector>

#include "lib/base/assert.h"
#include "lib/base/try.h"
#include "mmap/segment_pool.h"
#include "wal/lane_cursor.h"

namespace nacre::wal {
namespace {

/// So much is copied at a time, or one frame when that is longer: little for a look whether there
/// is more, and more for who reads on and on.
constexpr std::size_t kMinChunkBytes = std::size_t{64} << 10;
constexpr std::size_t kMaxChunkBytes = std::size_t{1} << 20;
constexpr int kMaxLooks = 100;
/// Where a resume frame may stand, seen from the end of the frames before it.
constexpr std::size_t kResumeReach = 2 * kBlockBytes;

Error gone(Lsn from) {
  return Error(ErrorCode::kNotFound,
               fmt::format("the record with LSN {} has been truncated away; read from the oldest "
                           "that is left",
                           from.value))
      .with_lsn(from.value);
}

Error never_still(const LogLocation& log) {
  return Error(ErrorCode::kBusy,
               fmt::format("a writer gave up the segment to be read at each of {} looks; try again",
                           kMaxLooks))
      .with_path(log.directory.string());
}

/// Where everything up to a stated end had been durable.
std::optional<std::size_t> stated_end(const SegmentState& state) noexcept {
  if (state.use == SegmentUse::kSealed || state.closed_cleanly) return state.end_offset;
  return std::nullopt;
}

}  // namespace

Result<std::unique_ptr<TailCursor>> TailCursor::open(FileSystem& file_system, LogLocation log,
                                                     std::uint32_t lane, Lsn from) {
  std::unique_ptr<TailCursor> cursor(new TailCursor(file_system, std::move(log), lane, from));
  for (int look = 0; look < kMaxLooks; ++look) {
    const LogListing listing = NACRE_TRY(list_log(file_system, cursor->log_));
    const auto segments = NACRE_TRY(find_lane(file_system, cursor->log_, lane, listing));
    if (segments.empty()) return cursor;
    if (from.value != 0 && from < segments.front().base_lsn) return gone(from);
    const auto above = std::ranges::upper_bound(segments, from, {}, &SegmentState::base_lsn);
    const SegmentState& first = above == segments.begin() ? segments.front() : *std::prev(above);
    // Else it was given up since; the next listing no longer has it.
    if (NACRE_TRY(cursor->open_file(first.id, first.lane_sequence))) return cursor;
  }
  return never_still(cursor->log_);
}

/// Opens the segment with `lane_sequence`. False when the lane has not got there yet.
Result<bool> TailCursor::find_segment(std::uint64_t lane_sequence) {
  for (int look = 0; look < kMaxLooks; ++look) {
    const LogListing listing = NACRE_TRY(list_log(file_system_, log_));
    const auto segments = NACRE_TRY(find_lane(file_system_, log_, lane_, listing));
    if (segments.empty() || segments.back().lane_sequence < lane_sequence) return false;
    if (segments.front().lane_sequence > lane_sequence) return gone(Lsn{last_.value + 1});
    const auto found = std::ranges::find(segments, lane_sequence, &SegmentState::lane_sequence);
    if (NACRE_TRY(open_file(found->id, lane_sequence))) return true;
  }
  return never_still(log_);
}

/// Goes on behind a sealed segment. False when the writer has not.
Result<bool> TailCursor::next_segment() {
  const std::uint64_t wanted = state_.lane_sequence + 1;
  if (state_.next == SegmentId{}) return false;
  if (NACRE_TRY(open_file(state_.next, wanted))) return true;
  return find_segment(wanted);
}

/// Opens segment file `id`. False when it does not hold place `lane_sequence` of the lane.
Result<bool> TailCursor::open_file(SegmentId id, std::uint64_t lane_sequence) {
  auto file = file_system_.open(log_.segment_path(id), {});
  if (!file && file.error().code() == ErrorCode::kNotFound) return false;
  if (!file) return file.error();
  const DecodedHeader header = NACRE_TRY(read_segment_header(**file));
  const SegmentState& state = header.state;
  if (state.log_uuid != log_.log_uuid || state.use == SegmentUse::kFree || state.lane != lane_ ||
      state.lane_sequence != lane_sequence) {
    return false;
  }
  if (!copy_ || copy_->size() < state.segment_bytes) {
    copy_ = NACRE_TRY(pmem::AnonymousMemory::create(state.segment_bytes, pmem::MemoryUse::kSparse,
                                                    (*file)->path().string()));
  }
  copy_->release(released_, copy_->size());
  file_ = *std::move(file);
  state_ = state;
  seed_ = record_seed(state_);
  released_ = 0;
  offset_ = kSegmentDataOffset;
  readable_end_ = kSegmentDataOffset;
  all_durable_ = false;
  chunk_bytes_ = std::max(chunk_bytes_, kMinChunkBytes);
  last_ = Lsn{state_.base_lsn.value - 1};
  return true;
}

Result<bool> TailCursor::next() {
  for (;;) {
    if (batch_offset_ < batch_.size()) {
      take_batch_entry();
    } else if (!NACRE_TRY(next_record())) {
      return false;
    }
    if (record_.lsn >= from_) return true;
  }
}

Result<bool> TailCursor::next_record() {
  batch_ = {};
  batch_offset_ = 0;
  if (file_ == nullptr && !NACRE_TRY(find_segment(0))) return false;
  for (;;) {
    while (offset_ < readable_end_) {
      const FrameRead frame =
          read_next_frame(copy_->bytes().first(readable_end_), seed_, offset_, last_);
      NACRE_ASSERT(frame.fault == FrameFault::kNone);  // It is our own copy, and was valid.
      offset_ = frame.next;
      if (frame.records == 0) continue;
      take(frame);
      return true;
    }
    if (!NACRE_TRY(extend())) return false;
  }
}

void TailCursor::take(const FrameRead& frame) noexcept {
  last_ = frame.last();
  if (frame.kind == FrameKind::kBatch) {
    batch_ = frame.payload;
    batch_offset_ = sizeof(BatchHeader);
    record_.lsn = Lsn{frame.first.value - 1};
    return take_batch_entry();
  }
  record_ = {.lsn = frame.first, .tag = frame.tag, .payload = frame.payload};
}

void TailCursor::take_batch_entry() noexcept {
  const BatchRead entry = read_batch_entry(batch_, batch_offset_);
  batch_offset_ = entry.next;
  record_ = {.lsn = Lsn{record_.lsn.value + 1}, .tag = entry.tag, .payload = entry.payload};
}

/// Finds what has been written since. False when there is nothing more for now; true when there
/// may be, here or in the next segment.
Result<bool> TailCursor::extend() {
  // As they were before the look: where a segment stated its end by then, nothing is still to come
  // before that end.
  const bool sealed = state_.use == SegmentUse::kSealed;
  const auto end = stated_end(state_);
  if (end && (*end < offset_ || *end > state_.segment_bytes)) {
    return Error(ErrorCode::kCorruption,
                 "the header states an impossible end; restore the file from a copy")
        .with_path(file_->path().string());
  }
  const SegmentScan scan = NACRE_TRY(scan_copy(sealed ? *end : state_.segment_bytes));
  NACRE_TRY(look_at_header());
  if (scan.end > offset_) {
    // Shown only once durable: a power cut must not take back what somebody has read.
    if (!all_durable_) NACRE_TRY(file_->sync_data());
    all_durable_ = sealed;
    readable_end_ = scan.end;
    chunk_bytes_ = std::min(2 * chunk_bytes_, kMaxChunkBytes);
    return true;
  }
  chunk_bytes_ = kMinChunkBytes;
  if (end && offset_ < *end) {
    FrameRead damaged;
    damaged.fault = scan.fault;
    damaged.offset = offset_;
    return damaged_frame(damaged, file_->path(), last_);
  }
  if (sealed) return next_segment();
  return state_.use == SegmentUse::kSealed;
}

/// Copies from `offset_` on and finds how far frames are valid there.
Result<SegmentScan> TailCursor::scan_copy(std::size_t limit) {
  // What was shown before is no longer looked at.
  copy_->release(released_, offset_);
  released_ = offset_;
  const auto scan = [this](std::size_t end) {
    return scan_segment(copy_->bytes(), seed_, offset_, end, last_, nullptr);
  };
  const std::size_t chunk_end = std::min(limit, offset_ + chunk_bytes_);
  NACRE_TRY(copy_in(offset_, chunk_end));
  const SegmentScan found = scan(chunk_end);
  if (found.end > offset_ || chunk_end == limit) return found;
  FrameHeader header;
  std::memcpy(&header, copy_->data() + offset_, sizeof header);
  const std::size_t frame_end =
      std::min(limit, offset_ + frame_bytes(header.payload_bytes) + kResumeReach);
  if (header.payload_bytes > kLargestPayloadBytes || frame_end <= chunk_end) return found;
  NACRE_TRY(copy_in(chunk_end, frame_end));
  return scan(frame_end);
}

Status TailCursor::copy_in(std::size_t begin, std::size_t end) {
  const std::size_t got =
      NACRE_TRY(file_->read_at(begin, std::span(copy_->data() + begin, end - begin)));
  if (got == end - begin) return {};
  return Error(ErrorCode::kCorruption, "the file is cut short; restore it from a copy")
      .with_path(file_->path().string())
      .with_offset(begin + got);
}

/// Reads the header again. Errors: `not_found` when the segment was given up since it was opened.
Status TailCursor::look_at_header() {
  auto header = read_segment_header(*file_);
  // A slot that is being written reads as damaged, and by then the other may have been copied too
  // early.
  if (header && header->other_damaged) header = read_segment_header(*file_);
  if (!header) return header.error();
  const SegmentState& state = header->state;
  if (state.generation != state_.generation || state.use == SegmentUse::kFree) {
    return gone(Lsn{last_.value + 1});
  }
  if (state.sequence < state_.sequence) {
    return Error(ErrorCode::kCorruption,
                 "the newer slot of the header is damaged since it was last looked at; run `nacre "
                 "verify` on the directory, and restore it from a copy")
        .with_path(file_->path().string());
  }
  state_ = state;
  return {};
}

}  // namespace nacre::wal
