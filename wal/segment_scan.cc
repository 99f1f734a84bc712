#include "wal/segment_scan.h"

#include <algorithm>
#include <cstring>

#include "lib/base/assert.h"
#include "lib/codec/crc32c.h"

namespace nacre::wal {
namespace {

constexpr std::size_t kCrcBytes = sizeof(le32);
/// The search behind a tear computes checksums over at most so many times the segment.
constexpr std::size_t kSearchPasses = 64;
/// No lane is ever so far behind the others. What only looks like a frame mostly claims more.
constexpr std::uint64_t kMaxLsnGap = std::uint64_t{1} << 48;

FrameRead failed(FrameFault fault, std::size_t offset) noexcept {
  FrameRead read;
  read.fault = fault;
  read.offset = offset;
  return read;
}

FrameHeader load_header(Bytes segment, std::size_t offset) noexcept {
  FrameHeader header;
  std::memcpy(&header, segment.data() + offset, sizeof header);
  return header;
}

bool known_kind(std::uint8_t kind) noexcept {
  return kind >= static_cast<std::uint8_t>(FrameKind::kData) &&
         kind <= static_cast<std::uint8_t>(FrameKind::kResume);
}

/// A cheap test that most things which are not a frame fail.
bool plausible(const FrameHeader& header, std::size_t room) noexcept {
  if (!known_kind(header.kind) || header.reserved != 0) return false;
  const std::size_t payload = header.payload_bytes;
  if (payload > room || frame_bytes(payload) > room) return false;
  const auto kind = static_cast<FrameKind>(header.kind);
  if (kind == FrameKind::kResume) return payload == sizeof(ResumePayload);
  if (kind == FrameKind::kBatch) return payload >= sizeof(BatchHeader) + sizeof(BatchEntry);
  return kind == FrameKind::kPad || payload > 0;
}

/// How many bytes from the frame's begin on its checksum speaks of.
std::size_t covered_bytes(const FrameHeader& header) noexcept {
  const bool header_only = static_cast<FrameKind>(header.kind) == FrameKind::kPad;
  return sizeof(FrameHeader) + (header_only ? 0 : std::size_t{header.payload_bytes});
}

bool checksum_matches(const FrameHeader& header, Bytes segment, std::uint32_t seed,
                      std::size_t offset) noexcept {
  return header.crc ==
         crc32c(frame_seed(seed, offset),
                segment.subspan(offset + kCrcBytes, covered_bytes(header) - kCrcBytes));
}

/// How many records `batch` holds, or 0 when its entries do not fill it exactly.
std::uint32_t count_batch(Bytes batch) noexcept {
  BatchHeader header;
  std::memcpy(&header, batch.data(), sizeof header);
  std::size_t at = sizeof header;
  for (std::uint32_t i = 0; i < header.count; ++i) {
    if (batch.size() - at < sizeof(BatchEntry)) return 0;
    BatchEntry entry;
    std::memcpy(&entry, batch.data() + at, sizeof entry);
    at += sizeof entry;
    if (entry.payload_bytes > batch.size() - at) return 0;
    at += align_up(entry.payload_bytes, kBatchEntryAlignment);
    if (at > batch.size()) return 0;
  }
  return at == batch.size() ? std::uint32_t{header.count} : 0;
}

bool is_record_kind(FrameKind kind) noexcept {
  return kind == FrameKind::kData || kind == FrameKind::kBatch;
}

/// Whether `header`, plausible by itself, can be a frame behind one with `last`. Arrays of small
/// numbers in a record are full of plausible headers with large payloads; this keeps the search
/// from computing a checksum for each.
bool may_follow(const FrameHeader& header, Lsn last) noexcept {
  if (!is_record_kind(static_cast<FrameKind>(header.kind))) return true;
  return header.lsn > last.value && header.lsn - last.value < kMaxLsnGap;
}

/// The newest LSN of the lane that `frame`'s writer knew to be durable; 0 when it does not say.
Lsn claimed_durable(const FrameRead& frame) noexcept {
  const bool says = is_record_kind(frame.kind) && frame.durable_distance != kUnknownDistance &&
                    frame.durable_distance <= frame.first.value;
  return says ? Lsn{frame.first.value - frame.durable_distance} : Lsn{};
}

// Inlined wherever frames are walked. A FrameRead that comes back through memory was stored word by
// word and is copied by wider loads, which the store buffer cannot forward; the place of the next
// frame is in it, so its bytes would be asked for only once this one's checksum has retired
// (`./dev bench wal --filter read_seq`: 11 M records a second without, 25 with).
[[gnu::always_inline]] inline FrameRead frame_at(Bytes segment, std::uint32_t seed,
                                                 std::size_t offset) noexcept {
  if (offset > segment.size() || segment.size() - offset < kFrameAlignment) {
    return failed(FrameFault::kEnd, offset);
  }
  const FrameHeader header = load_header(segment, offset);
  if (!plausible(header, segment.size() - offset)) return failed(FrameFault::kLength, offset);
  if (!checksum_matches(header, segment, seed, offset)) {
    return failed(FrameFault::kChecksum, offset);
  }
  FrameRead read;
  read.kind = static_cast<FrameKind>(header.kind);
  read.tag = header.tag;
  read.first = Lsn{header.lsn};
  read.durable_distance = header.durable_distance;
  read.offset = offset;
  read.next = offset + frame_bytes(header.payload_bytes);
  read.payload = segment.subspan(offset + sizeof header, header.payload_bytes);
  if (read.kind == FrameKind::kData) read.records = 1;
  if (read.kind == FrameKind::kBatch) {
    read.records = count_batch(read.payload);
    // LSNs that wrap around would put a later record before an earlier one.
    const bool wraps = read.last() < read.first;
    if (read.records == 0 || wraps) return failed(FrameFault::kBatch, offset);
  }
  return read;
}

[[gnu::always_inline]] inline FrameRead next_frame(Bytes segment, std::uint32_t seed,
                                                   std::size_t offset, Lsn last) noexcept {
  FrameRead read = frame_at(segment, seed, offset);
  if (read.fault == FrameFault::kNone && read.kind != FrameKind::kResume) {
    if (is_record_kind(read.kind) && read.first <= last) {
      return failed(FrameFault::kOrder, offset);
    }
    return read;
  }
  const std::size_t block = align_up(offset + 1, kBlockBytes);
  const FrameRead resume = read_frame_at(segment, seed, block);
  if (resume.fault == FrameFault::kNone && resume.kind == FrameKind::kResume) {
    ResumePayload payload;
    std::memcpy(&payload, resume.payload.data(), sizeof payload);
    if (payload.previous_end == offset) return resume;
  }
  // A resume frame counts only where the frames before it really ended.
  if (read.fault == FrameFault::kNone) return failed(FrameFault::kOrder, offset);
  return read;
}

}  // namespace

FrameRead read_frame_at(Bytes segment, std::uint32_t seed, std::size_t offset) noexcept {
  return frame_at(segment, seed, offset);
}

FrameRead read_next_frame(Bytes segment, std::uint32_t seed, std::size_t offset,
                          Lsn last) noexcept {
  return next_frame(segment, seed, offset, last);
}

std::size_t read_frames(Bytes segment, std::uint32_t seed, std::size_t offset, Lsn last,
                        std::span<FrameRead> frames) noexcept {
  for (std::size_t count = 0; count < frames.size(); ++count) {
    const FrameRead frame = next_frame(segment, seed, offset, last);
    frames[count] = frame;
    if (frame.fault != FrameFault::kNone) return count;
    offset = frame.next;
    if (frame.records > 0) last = frame.last();
  }
  return frames.size();
}

BatchRead read_batch_entry(Bytes batch, std::size_t offset) noexcept {
  NACRE_ASSERT(batch.size() - offset >= sizeof(BatchEntry));
  BatchEntry entry;
  std::memcpy(&entry, batch.data() + offset, sizeof entry);
  const std::size_t begin = offset + sizeof entry;
  return {.tag = entry.tag,
          .payload = batch.subspan(begin, entry.payload_bytes),
          .next = begin + align_up(entry.payload_bytes, kBatchEntryAlignment)};
}

SegmentScan scan_segment(Bytes segment, std::uint32_t seed, std::size_t begin, std::size_t limit,
                         Lsn last, SparseIndex* index) noexcept {
  SegmentScan scan{.end = begin, .last = last, .unproven = begin};
  Lsn before = last;
  const Bytes readable = segment.first(limit);
  for (;;) {
    const FrameRead frame = next_frame(readable, seed, scan.end, scan.last);
    if (frame.fault != FrameFault::kNone) {
      scan.fault = frame.fault;
      return scan;
    }
    if (is_record_kind(frame.kind)) {
      if (index != nullptr && index->wants(frame.offset)) index->add(frame.first, frame.offset);
      // A frame that says everything before it was durable leaves only itself unproven.
      if (claimed_durable(frame) >= before) scan.unproven = frame.offset;
      scan.records += frame.records;
      scan.frame_bytes += frame.next - frame.offset;
      scan.last = frame.last();
      before = scan.last;
    }
    scan.end = frame.next;
  }
}

TailSearch search_tail(Bytes segment, std::uint32_t seed, std::size_t end, Lsn last,
                       void (*on_frame)(void* context, std::size_t offset) noexcept,
                       void* context) noexcept {
  TailSearch found;
  // The checksum of a candidate reads its payload; candidates that overlap (only a forger makes
  // many) could cost the square of the segment, so the work has a bound.
  std::size_t budget = kSearchPasses * segment.size();
  // A frame in a later block was begun after the block around the end had been filled up: with a
  // pad that was durable together with the last record, or before a resume frame that was durable
  // by itself. So if it knows the last record to be durable, then the frame that is missing was.
  const std::size_t next_block = align_up(end, kBlockBytes);
  const bool block_was_filled_up = next_block != end;
  for (std::size_t at = align_up(end + 1, kFrameAlignment);
       at + kFrameAlignment <= segment.size();) {
    if (budget == 0) {
      found.exhausted = true;
      return found;
    }
    const FrameHeader header = load_header(segment, at);
    if (!plausible(header, segment.size() - at) || !may_follow(header, last)) {
      at += kFrameAlignment;
      continue;
    }
    budget -= std::min(budget, covered_bytes(header));
    const FrameRead frame = read_frame_at(segment, seed, at);
    if (frame.fault != FrameFault::kNone) {
      at += kFrameAlignment;
      continue;
    }
    ++found.frames;
    found.bytes += frame.next - at;
    on_frame(context, at);
    const Lsn claimed = claimed_durable(frame);
    const bool proves =
        claimed > last || (block_was_filled_up && at >= next_block && claimed == last);
    if (proves && !found.proves_rot) {
      found.proves_rot = true;
      found.proof_offset = at;
      found.proof_lsn = frame.first;
    }
    at = frame.next;
  }
  return found;
}

}  // namespace nacre::wal
