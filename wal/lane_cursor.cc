#include "wal/lane_cursor.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <string_view>
#include <utility>

#include "lib/base/try.h"
#include "mmap/segment_format.h"
#include "pmem/media_guard.h"

namespace nacre::wal {
namespace {

std::string_view fault_words(FrameFault fault) noexcept {
  switch (fault) {
    case FrameFault::kNone:
      return "nothing";
    case FrameFault::kEnd:
      return "it ends in the middle of a frame";
    case FrameFault::kLength:
      return "there is no frame where one must be";
    case FrameFault::kChecksum:
      return "the checksum does not match";
    case FrameFault::kOrder:
      return "the LSN is out of order";
    case FrameFault::kBatch:
      return "the entries of a batch do not add up";
  }
  return "unknown";
}

Error truncated_away(Lsn from) {
  return Error(ErrorCode::kNotFound,
               fmt::format("records from LSN {} on have been truncated away; read from the oldest "
                           "that is left",
                           from.value))
      .with_lsn(from.value);
}

}  // namespace

Error unreadable_media(const std::filesystem::path& path, std::uint64_t offset) {
  return Error(ErrorCode::kIo,
               "the media cannot be read here (a bad block, or the file was cut short); nothing "
               "was changed; restore the segment from a copy")
      .with_path(path.string())
      .with_offset(offset);
}

Error damaged_frame(const FrameRead& frame, const std::filesystem::path& path, Lsn last) {
  return Error(ErrorCode::kCorruption,
               fmt::format("acknowledged data are damaged: {}, behind LSN {}; nothing was changed; "
                           "run `nacre verify` on the directory, and restore the segment from a "
                           "copy",
                           fault_words(frame.fault), last.value))
      .with_path(path.string())
      .with_offset(frame.offset)
      .with_lsn(last.value + 1);
}

LaneCursor::LaneCursor(const LaneSegments& segments, std::shared_ptr<LaneSegment> segment, Lsn from)
    : segments_(segments), segment_(std::move(segment)), from_(from) {}

Result<std::unique_ptr<LaneCursor>> LaneCursor::open(const LaneSegments& segments, Lsn from) {
  auto segment = segments.holding(from);
  if (segment != nullptr && from.value != 0 && from < segment->base_lsn) {
    return truncated_away(from);
  }
  std::unique_ptr<LaneCursor> cursor(new LaneCursor(segments, std::move(segment), from));
  if (cursor->segment_ == nullptr) return cursor;
  const SparseIndex::Entry start = cursor->segment_->index.find(
      from, {.lsn = cursor->segment_->base_lsn, .offset = kSegmentDataOffset});
  cursor->stand_at(start.offset, Lsn{start.lsn.value - 1});
  return cursor;
}

void LaneCursor::stand_at(std::size_t offset, Lsn last) noexcept {
  offset_ = offset;
  begin_ = offset;
  expected_end_ = offset;
  readable_end_ = 0;
  last_ = last;
}

Result<bool> LaneCursor::next() {
  for (;;) {
    if (batch_offset_ < batch_.size() ? !NACRE_TRY(next_batch_entry()) : !NACRE_TRY(next_frame())) {
      return false;
    }
    if (record_.lsn >= from_) return true;
  }
}

Result<bool> LaneCursor::next_batch_entry() {
  BatchRead entry;
  NACRE_TRY(look([&]() noexcept { entry = read_batch_entry(batch_, batch_offset_); }));
  batch_offset_ = entry.next;
  record_ = {.lsn = Lsn{record_.lsn.value + 1}, .tag = entry.tag, .payload = entry.payload};
  return true;
}

Result<bool> LaneCursor::next_frame() {
  for (;;) {
    while (ahead_next_ < ahead_end_) {
      const FrameRead& frame = ahead_[ahead_next_++];
      if (frame.records == 0) continue;
      NACRE_TRY(take(frame));
      return true;
    }
    if (segment_ == nullptr || offset_ >= readable_end_) {
      if (!NACRE_TRY(next_segment())) return false;
    } else {
      NACRE_TRY(read_ahead());
    }
  }
}

Status LaneCursor::take(const FrameRead& frame) {
  if (frame.kind == FrameKind::kBatch) {
    batch_ = frame.payload;
    batch_offset_ = sizeof(BatchHeader);
    record_.lsn = Lsn{frame.first.value - 1};
    static_cast<void>(NACRE_TRY(next_batch_entry()));
    return {};
  }
  batch_ = {};
  batch_offset_ = 0;
  record_ = {.lsn = frame.first, .tag = frame.tag, .payload = frame.payload};
  return {};
}

Error LaneCursor::unreadable(const std::byte* fault) const {
  return unreadable_media(segment_->segment->path(),
                          static_cast<std::uint64_t>(fault - pin_.bytes.data()));
}

Status LaneCursor::read_ahead() {
  constexpr std::size_t kSequentialBytes = std::size_t{64} << 10;
  constexpr std::size_t kWindowBytes = std::size_t{2} << 20;
  if (!pin_.present && offset_ >= expected_end_ && offset_ - begin_ >= kSequentialBytes) {
    // Somebody reads on and on; a single look-up never comes here.
    expected_end_ = std::min(readable_end_, offset_ + kWindowBytes);
    expect_reading(pin_.bytes.subspan(offset_, expected_end_ - offset_));
  }
  ahead_next_ = 0;
  ahead_end_ = 0;
  const Bytes readable = pin_.bytes.first(readable_end_);
  const std::byte* fault = pmem::catch_media_fault(pin_.bytes, [&]() noexcept {
    ahead_end_ = read_frames(readable, segment_->seed, offset_, last_, ahead_);
  });
  // A fault in the middle of them: what stands before it is good, and is read by itself.
  if (fault != nullptr) NACRE_TRY(read_one());
  // What was read before the damage is good, and is shown first.
  if (ahead_end_ == 0) return damaged_frame(ahead_.front(), segment_->segment->path(), last_);
  offset_ = ahead_[ahead_end_ - 1].next;
  for (const FrameRead& frame : std::span(ahead_).first(ahead_end_)) {
    if (frame.records > 0) last_ = frame.last();
  }
  return {};
}

/// Reads the next frame alone. Errors: `io` when its media cannot be read.
Status LaneCursor::read_one() {
  const Bytes readable = pin_.bytes.first(readable_end_);
  const std::byte* fault = pmem::catch_media_fault(pin_.bytes, [&]() noexcept {
    ahead_end_ = read_frames(readable, segment_->seed, offset_, last_, std::span(ahead_).first(1));
  });
  if (fault != nullptr) return unreadable(fault);
  return {};
}

Result<bool> LaneCursor::next_segment() {
  if (segment_ == nullptr) {
    segment_ = segments_.oldest();
    if (segment_ == nullptr) return false;
    stand_at(kSegmentDataOffset, Lsn{segment_->base_lsn.value - 1});
  }
  // `sealed` first: once it is seen, `durable_end` is final. Both pair with the writer's releases.
  const bool sealed = segment_->sealed.load(std::memory_order_acquire);
  const std::size_t end = segment_->durable_end.load(std::memory_order_acquire);
  if (end > offset_) {
    // What has become durable since the last look may lie in the writer's memory rather than in
    // what was pinned before it.
    if (end > readable_end_ || pin_.memory == nullptr) {
      pin_ = NACRE_TRY(segment_->segment->pin());
    }
    readable_end_ = end;
    return true;
  }
  if (!sealed) return false;
  auto after = segments_.after(segment_->lane_sequence);
  if (after == nullptr) {
    return truncated_away(Lsn{last_.value + 1});
  }
  segment_ = std::move(after);
  pin_ = {};
  stand_at(kSegmentDataOffset, Lsn{segment_->base_lsn.value - 1});
  return true;
}

}  // namespace nacre::wal
