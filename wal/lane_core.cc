#include "wal/lane_core.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "lib/base/assert.h"
#include "lib/base/try.h"
#include "lib/codec/crc32c.h"

namespace nacre::wal {
namespace {

/// Header and prefix are put together on the stack up to this size.
constexpr std::size_t kInlineHeadBytes = 256;
/// From this payload on the lines behind the first are streamed before the checksum is computed
/// (`./dev bench wal --filter append/`: at 4 KiB 1.36 of the floor without, 1.00 with).
constexpr std::size_t kStreamAheadBytes = 1024;
/// A scratch buffer larger than this is not kept.
constexpr std::size_t kKeptScratchBytes = std::size_t{256} << 10;

std::size_t payload_limit(std::size_t max_record_bytes, std::uint64_t segment_bytes) noexcept {
  return std::min(max_record_bytes, segment_bytes - kSegmentDataOffset - sizeof(FrameHeader));
}

std::byte* append_bytes(std::byte* to, Bytes bytes) noexcept {
  if (!bytes.empty()) std::memcpy(to, bytes.data(), bytes.size());
  return to + bytes.size();
}

}  // namespace

LaneCore::LaneCore(SegmentPool& pool, Executor& executor, Options options, RecoveredLane recovered)
    : pool_(pool),
      options_(std::move(options)),
      max_payload_(payload_limit(options_.max_record_bytes, options_.segment_bytes)),
      last_lsn_(recovered.last_lsn),
      durable_lsn_(recovered.last_lsn.value),
      first_lane_sequence_(recovered.first_lane_sequence),
      background_(executor) {
  noted_ = !recovered.segments.empty();
  for (auto& segment : recovered.segments) {
    if (segment->segment->state().use == SegmentUse::kActive) active_ = segment;
    segments_.push(std::move(segment));
  }
  if (active_ == nullptr) return;
  seed_ = active_->seed;
  tail_ = active_->durable_end.load(std::memory_order_relaxed);
  limit_ = tail_;
  flush_begin_ = tail_;
  next_index_offset_ = active_->index.next_offset();
}

LaneCore::~LaneCore() { background_.wait(); }

Result<Lsn> LaneCore::enqueue(Bytes prefix, Bytes payload, std::uint16_t tag) {
  if (options_.synchronous) return put_record(prefix, payload, tag);
  // Before a lock that another thread of the parent may have held.
  if (in_child()) return in_forked_child();
  MutexLock lock(mutex_);
  return put_record(prefix, payload, tag);
}

Result<Lsn> LaneCore::enqueue_batch(std::span<const BatchPart> parts, std::uint16_t tag) {
  if (options_.synchronous) return put_batch(parts, tag);
  // Before a lock that another thread of the parent may have held.
  if (in_child()) return in_forked_child();
  MutexLock lock(mutex_);
  return put_batch(parts, tag);
}

Result<Lsn> LaneCore::append(Bytes prefix, Bytes payload, std::uint16_t tag) {
  if (options_.synchronous) return put_record(prefix, payload, tag);
  const Lsn lsn = NACRE_TRY(enqueue(prefix, payload, tag));
  NACRE_TRY(wait(lsn));
  return lsn;
}

Result<Lsn> LaneCore::put_record(Bytes prefix, Bytes payload, std::uint16_t tag) {
  const std::size_t bytes = prefix.size() + payload.size();
  // One comparison for both bounds: an empty record wraps around to the largest number.
  if (bytes - 1 >= max_payload_) [[unlikely]] {
    NACRE_TRY(check_size(bytes));
  }
  if (in_child()) [[unlikely]] {
    return in_forked_child();
  }
  const std::size_t frame = frame_bytes(bytes);
  if (frame > limit_ - tail_) [[unlikely]] {
    NACRE_TRY(make_room(frame));
  }
  const Lsn lsn = take_lsns(1);
  put_frame({.payload_bytes = static_cast<std::uint32_t>(bytes),
             .lsn = lsn.value,
             .durable_distance = durable_distance(lsn, known_durable(lsn)),
             .kind = FrameKind::kData,
             .tag = tag},
            prefix, payload);
  advance(frame, lsn);
  return lsn;
}

void LaneCore::put_frame(const FrameFields& fields, Bytes prefix, Bytes payload) noexcept {
  // The lines behind the first do not depend on the checksum. Once a payload is long enough for
  // that to pay, they leave first and drain while the checksum is computed.
  const std::size_t head_room = kFrameAlignment - sizeof(FrameHeader);
  if (prefix.size() < head_room && payload.size() >= kStreamAheadBytes) {
    const std::size_t in_first_line = head_room - prefix.size();
    region_->stream(tail_ + kFrameAlignment, {}, payload.subspan(in_first_line));
    put_head(fields, prefix, payload, in_first_line);
  } else {
    put_head(fields, prefix, payload, payload.size());
  }
  // One fence makes the whole frame durable. Nothing orders its lines among themselves: until all
  // of them are there the checksum does not match, and the record does not exist.
  region_->fence();
}

void LaneCore::put_head(const FrameFields& fields, Bytes prefix, Bytes payload,
                        std::size_t payload_bytes) noexcept {
  std::uint32_t crc = fields.begin_crc(frame_seed(seed_, tail_));
  if (!prefix.empty()) crc = crc32c(crc, prefix);
  const Bytes body = payload.first(payload_bytes);
  const std::array<le64, 3> header = fields.encode(crc32c(crc, payload));
  const Bytes header_bytes = std::as_bytes(std::span(header));
  if (prefix.empty()) {
    region_->stream(tail_, header_bytes, body);
  } else {
    std::array<std::byte, kInlineHeadBytes> inline_head;
    std::span<std::byte> head(inline_head);
    const std::size_t head_bytes = sizeof header + prefix.size();
    if (head_bytes > head.size()) {
      scratch_.resize(head_bytes);
      head = scratch_;
    }
    append_bytes(append_bytes(head.data(), header_bytes), prefix);
    region_->stream(tail_, head.first(head_bytes), body);
  }
}

Result<Lsn> LaneCore::put_batch(std::span<const BatchPart> parts, std::uint16_t tag) {
  std::size_t bytes = sizeof(BatchHeader);
  for (const BatchPart& part : parts) {
    const std::size_t record = part.prefix.size() + part.payload.size();
    NACRE_TRY(check_size(record));
    bytes += sizeof(BatchEntry) + align_up(record, kBatchEntryAlignment);
  }
  if (parts.empty()) {
    return Error(ErrorCode::kInvalidArgument, "an empty batch; give it at least one record");
  }
  NACRE_TRY(check_size(bytes));
  if (in_child()) return in_forked_child();
  const std::size_t frame = frame_bytes(bytes);
  if (frame > limit_ - tail_) NACRE_TRY(make_room(frame));

  const Lsn last = take_lsns(parts.size());
  const Lsn first{last.value - parts.size() + 1};

  scratch_.resize(bytes);
  BatchHeader batch{};
  batch.count = static_cast<std::uint32_t>(parts.size());
  std::byte* to = append_bytes(scratch_.data(), std::as_bytes(std::span(&batch, 1)));
  for (const BatchPart& part : parts) {
    const std::size_t record = part.prefix.size() + part.payload.size();
    BatchEntry entry{};
    entry.payload_bytes = static_cast<std::uint32_t>(record);
    entry.tag = tag;
    to = append_bytes(to, std::as_bytes(std::span(&entry, 1)));
    to = append_bytes(append_bytes(to, part.prefix), part.payload);
    const std::size_t padding = align_up(record, kBatchEntryAlignment) - record;
    std::memset(to, 0, padding);
    to += padding;
  }
  put_frame({.payload_bytes = static_cast<std::uint32_t>(bytes),
             .lsn = first.value,
             .durable_distance = durable_distance(first, known_durable(first)),
             .kind = FrameKind::kBatch,
             .tag = 0},
            {}, Bytes(scratch_));
  advance(frame, last);
  if (scratch_.capacity() > kKeptScratchBytes) scratch_ = {};
  return last;
}

void LaneCore::put_control_frame(FrameKind kind, std::size_t offset, std::size_t payload_bytes,
                                 Bytes payload) noexcept {
  const FrameFields fields{.payload_bytes = static_cast<std::uint32_t>(payload_bytes),
                           .lsn = last_lsn_.value,
                           .durable_distance = kUnknownDistance,
                           .kind = kind,
                           .tag = 0};
  const auto header = fields.encode(crc32c(fields.begin_crc(frame_seed(seed_, offset)), payload));
  region_->stream(offset, std::as_bytes(std::span(header)), payload);
}

Bytes LaneCore::newest_record(std::size_t bytes) const noexcept {
  return {region_->data() + tail_ - frame_bytes(bytes) + sizeof(FrameHeader), bytes};
}

Lsn LaneCore::take_lsns(std::uint64_t count) noexcept {
  if (options_.lsn_clock == nullptr) return Lsn{last_lsn_.value + count};
  return options_.lsn_clock->draw(options_.lane, count);
}

Lsn LaneCore::known_durable(Lsn next) const noexcept {
  // With nothing under way, everything this lane has is durable: the LSN before the next one says
  // so whatever other lanes have drawn in between.
  if (options_.synchronous || durable_lsn_.load(std::memory_order_relaxed) == last_lsn_.value) {
    return Lsn{next.value - 1};
  }
  return Lsn{durable_lsn_.load(std::memory_order_relaxed)};
}

void LaneCore::advance(std::size_t frame, Lsn last) noexcept {
  if (tail_ >= next_index_offset_) [[unlikely]] {
    active_->index.add(Lsn{last_lsn_.value + 1}, tail_);
    next_index_offset_ = active_->index.next_offset();
    if (tail_ > options_.segment_bytes / 4) pool_.prepare();
  }
  tail_ += frame;
  last_lsn_ = last;
  if (!options_.synchronous) return;
  flush_begin_ = tail_;
  // Durable before visible: the fence is behind us. Pairs with the acquire loads of readers.
  active_->durable_end.store(tail_, std::memory_order_release);
  durable_lsn_.store(last.value, std::memory_order_release);
}

Status LaneCore::check_size(std::size_t bytes) const {
  if (bytes == 0) {
    return Error(ErrorCode::kInvalidArgument, "an empty record; give it at least one byte");
  }
  if (bytes > max_payload_) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("a record or batch of {} bytes, where this log takes at most {}; "
                             "split it, or create the log with larger segments (up to 16 MiB a "
                             "record)",
                             bytes, max_payload_));
  }
  return {};
}

Result<std::span<std::byte>> LaneCore::open_claim(std::size_t prefix_bytes, std::size_t bytes) {
  if (options_.synchronous) return begin_claim(prefix_bytes, bytes);
  // Before a lock that another thread of the parent may have held.
  if (in_child()) return in_forked_child();
  MutexLock lock(mutex_);
  return begin_claim(prefix_bytes, bytes);
}

Result<std::span<std::byte>> LaneCore::begin_claim(std::size_t prefix_bytes, std::size_t bytes) {
  NACRE_TRY(check_size(bytes));
  NACRE_TRY(check_size(prefix_bytes + bytes));
  NACRE_TRY(check_open());
  const std::size_t frame = frame_bytes(prefix_bytes + bytes);
  if (frame > limit_ - tail_) NACRE_TRY(make_room(frame));
  if (!options_.synchronous && pending()) {
    // A batch that leaves while the claim is open must not take the claim's block with it.
    seal_blocks();
    if (frame > limit_ - tail_) NACRE_TRY(make_room(frame));
  }
  claim_open_ = true;
  claim_prefix_bytes_ = prefix_bytes;
  claim_bytes_ = bytes;
  // Any other append now goes through make_room, and is told about the claim.
  limit_ = tail_;
  return claim_space(prefix_bytes, bytes);
}

std::span<std::byte> LaneCore::claim_space(std::size_t prefix_bytes, std::size_t bytes) {
  if (region_->takes_plain_stores()) {
    return std::span(region_->data() + tail_ + sizeof(FrameHeader) + prefix_bytes, bytes);
  }
  // The region could be opened to the thread that claims, but then for all it does until it
  // commits, and not to another that it hands the claim to.
  claimed_.resize(bytes);
  return claimed_;
}

Result<Lsn> LaneCore::enqueue_claim(Bytes prefix, std::size_t bytes, std::uint16_t tag) {
  if (options_.synchronous) return finish_claim(prefix, bytes, tag);
  // Before a lock that another thread of the parent may have held.
  if (in_child()) return in_forked_child();
  MutexLock lock(mutex_);
  return finish_claim(prefix, bytes, tag);
}

Result<Lsn> LaneCore::finish_claim(Bytes prefix, std::size_t bytes, std::uint16_t tag) {
  NACRE_ASSERT(claim_open_ && prefix.size() == claim_prefix_bytes_);
  if (bytes == 0 || bytes > claim_bytes_) {
    return Error(
        ErrorCode::kInvalidArgument,
        fmt::format("committing {} bytes of a claim of {}; commit 1 up to what was claimed", bytes,
                    claim_bytes_));
  }
  NACRE_TRY(check_usable());
  claim_open_ = false;
  limit_ = options_.segment_bytes;
  const Lsn lsn = take_lsns(1);
  const std::size_t payload_bytes = prefix.size() + bytes;
  const std::size_t whole = frame_bytes(payload_bytes);
  const FrameFields fields{.payload_bytes = static_cast<std::uint32_t>(payload_bytes),
                           .lsn = lsn.value,
                           .durable_distance = durable_distance(lsn, known_durable(lsn)),
                           .kind = FrameKind::kData,
                           .tag = tag};
  if (region_->takes_plain_stores()) {
    complete_in_place(fields, prefix, whole);
    // The record was built with plain stores: its lines must be written back before the fence that
    // makes it durable. Their order does not matter; the checksum holds them together.
    region_->flush(tail_, whole);
    region_->fence();
  } else {
    put_frame(fields, prefix, Bytes(claimed_).first(bytes));
    if (claimed_.capacity() > kKeptScratchBytes) claimed_ = {};
  }
  advance(whole, lsn);
  return lsn;
}

void LaneCore::complete_in_place(const FrameFields& fields, Bytes prefix,
                                 std::size_t whole) noexcept {
  std::byte* const frame = region_->data() + tail_;
  std::byte* const body = frame + sizeof(FrameHeader);
  const std::size_t payload_bytes = fields.payload_bytes;
  append_bytes(body, prefix);
  const auto header =
      fields.encode(crc32c(fields.begin_crc(frame_seed(seed_, tail_)), Bytes(body, payload_bytes)));
  std::memcpy(frame, header.data(), sizeof header);
  std::memset(body + payload_bytes, 0, whole - sizeof header - payload_bytes);
}

void LaneCore::abandon_claim() noexcept {
  if (in_child()) return;
  const auto abandon = [this] {
    claim_open_ = false;
    if (claimed_.capacity() > kKeptScratchBytes) claimed_ = {};
    const bool usable = !closed_.load(std::memory_order_relaxed) && !error_.has_value();
    limit_ = usable ? options_.segment_bytes : tail_;
  };
  if (options_.synchronous) return abandon();
  MutexLock lock(mutex_);
  abandon();
}

bool LaneCore::claim_open() {
  if (options_.synchronous) return claim_open_;
  MutexLock lock(mutex_);
  return claim_open_;
}

}  // namespace nacre::wal
