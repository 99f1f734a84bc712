#include "wal/tail_cursor.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "lib/base/try.h"
#include "pmem/media_guard.h"
#include "wal/lane_cursor.h"

namespace nacre::wal {
namespace {

Error gone(Lsn from) {
  return Error(ErrorCode::kNotFound,
               fmt::format("the record with LSN {} has been truncated away; read from the oldest "
                           "that is left",
                           from.value))
      .with_lsn(from.value);
}

}  // namespace

Result<std::vector<SegmentState>> list_segments(FileSystem& file_system,
                                                const std::filesystem::path& segment_directory,
                                                const Uuid& log_uuid) {
  std::vector<SegmentState> all;
  for (const std::string& name : NACRE_TRY(file_system.list_directory(segment_directory))) {
    if (segment_id_of(name) == SegmentId{}) continue;
    const auto header = read_segment_header(file_system, segment_directory / name);
    if (!header && header.error().code() == ErrorCode::kNotFound) continue;
    if (!header) return header.error();
    if (header->state.log_uuid == log_uuid) all.push_back(header->state);
  }
  return all;
}

std::vector<SegmentState> lane_segments_of(const std::vector<SegmentState>& all,
                                           std::uint32_t lane) {
  std::vector<SegmentState> segments;
  for (const SegmentState& state : all) {
    if (state.use != SegmentUse::kFree && state.lane == lane) segments.push_back(state);
  }
  std::ranges::sort(segments, {}, &SegmentState::lane_sequence);
  if (segments.empty()) return segments;
  const std::uint64_t first = segments.back().first_lane_sequence;
  std::erase_if(segments, [first](const SegmentState& s) { return s.lane_sequence < first; });
  return segments;
}

Result<std::unique_ptr<TailCursor>> TailCursor::open(FileSystem& file_system, LaneLocation location,
                                                     Lsn from) {
  std::unique_ptr<TailCursor> cursor(new TailCursor(file_system, std::move(location), from));
  const auto all = NACRE_TRY(
      list_segments(file_system, cursor->location_.segment_directory, cursor->location_.log_uuid));
  const auto segments = lane_segments_of(all, cursor->location_.lane);
  if (segments.empty()) return cursor;
  if (from.value != 0 && from < segments.front().base_lsn) return gone(from);
  const auto above = std::ranges::upper_bound(segments, from, {}, &SegmentState::base_lsn);
  const SegmentState& first = above == segments.begin() ? segments.front() : *std::prev(above);
  if (!NACRE_TRY(cursor->open_segment(first.lane_sequence))) return gone(from);
  return cursor;
}

Result<bool> TailCursor::open_segment(std::uint64_t lane_sequence) {
  const auto all =
      NACRE_TRY(list_segments(file_system_, location_.segment_directory, location_.log_uuid));
  const auto segments = lane_segments_of(all, location_.lane);
  const auto found = std::ranges::find(segments, lane_sequence, &SegmentState::lane_sequence);
  if (found == segments.end()) {
    const bool passed = !segments.empty() && segments.front().lane_sequence > lane_sequence;
    if (passed) return gone(Lsn{last_.value + 1});
    return false;
  }
  const auto path = location_.segment_directory / segment_file_name(found->id);
  view_ =
      NACRE_TRY(FileView::open(file_system_, path, found->segment_bytes, ViewAccess::kOnDemand));
  state_ = *found;
  has_segment_ = true;
  seed_ = record_seed(state_);
  offset_ = kSegmentDataOffset;
  readable_end_ = kSegmentDataOffset;
  last_ = Lsn{state_.base_lsn.value - 1};
  return true;
}

Result<bool> TailCursor::next() {
  for (;;) {
    if (batch_offset_ < batch_.size()) {
      NACRE_TRY(take_batch_entry());
    } else if (!NACRE_TRY(next_record())) {
      return false;
    }
    if (record_.lsn >= from_) return true;
  }
}

Result<bool> TailCursor::next_record() {
  if (!has_segment_ && !NACRE_TRY(open_segment(0))) return false;
  for (;;) {
    if (offset_ >= readable_end_ && !NACRE_TRY(extend())) return false;
    if (offset_ >= readable_end_) continue;
    const FrameRead frame = NACRE_TRY(read_frame());
    if (frame.fault != FrameFault::kNone) {
      // What validated a moment ago no longer does: the file was recycled under us, or rots.
      return damaged_frame(frame, (location_.segment_directory / segment_file_name(state_.id)),
                           last_);
    }
    offset_ = frame.next;
    if (frame.records == 0) continue;
    NACRE_TRY(take(frame));
    return true;
  }
}

Status TailCursor::take(const FrameRead& frame) {
  last_ = frame.last();
  if (frame.kind == FrameKind::kBatch) {
    batch_ = frame.payload;
    batch_offset_ = sizeof(BatchHeader);
    record_.lsn = Lsn{frame.first.value - 1};
    return take_batch_entry();
  }
  batch_ = {};
  batch_offset_ = 0;
  record_ = {.lsn = frame.first, .tag = frame.tag, .payload = frame.payload};
  return {};
}

Status TailCursor::take_batch_entry() {
  BatchRead entry;
  NACRE_TRY(look([&]() noexcept { entry = read_batch_entry(batch_, batch_offset_); }));
  batch_offset_ = entry.next;
  record_ = {.lsn = Lsn{record_.lsn.value + 1}, .tag = entry.tag, .payload = entry.payload};
  return {};
}

Error TailCursor::unreadable(const std::byte* fault) const {
  return unreadable_media(location_.segment_directory / segment_file_name(state_.id),
                          static_cast<std::uint64_t>(fault - view_->bytes().data()));
}

/// Finds what has been written since. True when there is more to read, here or in the next segment.
Result<bool> TailCursor::extend() {
  const auto path = location_.segment_directory / segment_file_name(state_.id);
  // The header before the frames: a segment that is sealed by then has no frame still to come.
  const auto header = read_segment_header(file_system_, path);
  const bool reused = !header || header->state.generation != state_.generation ||
                      header->state.use == SegmentUse::kFree;
  if (!header && header.error().code() != ErrorCode::kNotFound) return header.error();
  if (reused) return gone(Lsn{last_.value + 1});
  state_ = header->state;
  const SegmentScan scan = NACRE_TRY(scan_on());
  if (scan.end > offset_) {
    // Shown only once durable: a power cut must not take back what somebody has read.
    auto file = NACRE_TRY(file_system_.open(path, {}));
    NACRE_TRY(file->sync_data());
    readable_end_ = scan.end;
    return true;
  }
  if (state_.use != SegmentUse::kSealed) return false;
  if (offset_ < state_.end_offset) {
    FrameRead frame;
    frame.fault = scan.fault;
    frame.offset = offset_;
    return damaged_frame(frame, path, last_);
  }
  return open_segment(state_.lane_sequence + 1);
}

Result<SegmentScan> TailCursor::scan_on() const {
  SegmentScan scan;
  const Bytes bytes = view_->bytes();
  const std::size_t limit =
      state_.use == SegmentUse::kSealed ? state_.end_offset : std::size_t{state_.segment_bytes};
  const std::byte* fault = pmem::catch_media_fault(
      bytes, [&]() noexcept { scan = scan_segment(bytes, seed_, offset_, limit, last_, nullptr); });
  if (fault != nullptr) return unreadable(fault);
  return scan;
}

Result<FrameRead> TailCursor::read_frame() const {
  FrameRead frame;
  const Bytes bytes = view_->bytes();
  const std::byte* fault = pmem::catch_media_fault(bytes, [&]() noexcept {
    frame = read_next_frame(bytes.first(readable_end_), seed_, offset_, last_);
  });
  if (fault != nullptr) return unreadable(fault);
  return frame;
}

}  // namespace nacre::wal
