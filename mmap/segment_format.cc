#include "mmap/segment_format.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "lib/base/assert.h"
#include "lib/codec/crc32c.h"

namespace nacre {
namespace {

constexpr std::uint32_t kClosedCleanlyFlag = 1;
constexpr std::uint32_t kUnsyncedFlag = 2;
constexpr std::size_t kCrcBegin = offsetof(SegmentSlot, format_version);

std::uint32_t slot_crc(const SegmentSlot& slot) noexcept {
  const Bytes bytes = std::as_bytes(std::span(&slot, 1));
  return ~crc32c(~0U, bytes.subspan(kCrcBegin));
}

bool known_use(std::uint32_t use) noexcept {
  return use >= static_cast<std::uint32_t>(SegmentUse::kFree) &&
         use <= static_cast<std::uint32_t>(SegmentUse::kSealed);
}

SegmentState to_state(const SegmentSlot& slot) noexcept {
  SegmentState state;
  state.log_uuid.bytes = slot.log_uuid;
  state.id = SegmentId{slot.segment_id};
  state.segment_bytes = slot.segment_bytes;
  state.sequence = slot.sequence;
  state.generation = slot.generation;
  state.use = static_cast<SegmentUse>(std::uint32_t{slot.use});
  state.closed_cleanly = (slot.flags & kClosedCleanlyFlag) != 0;
  state.unsynced = (slot.flags & kUnsyncedFlag) != 0;
  state.lane = slot.lane;
  state.lane_sequence = slot.lane_sequence;
  state.first_lane_sequence = slot.first_lane_sequence;
  state.base_lsn = Lsn{slot.base_lsn};
  state.end_offset = slot.end_offset;
  state.end_lsn = Lsn{slot.end_lsn};
  state.next = SegmentId{slot.next_segment};
  return state;
}

}  // namespace

SegmentSlot encode_segment_slot(const SegmentState& state) noexcept {
  SegmentSlot slot{};
  slot.magic = kSegmentMagic;
  slot.format_version = kSegmentFormatVersion;
  slot.sequence = state.sequence;
  slot.log_uuid = state.log_uuid.bytes;
  slot.segment_id = state.id.value;
  slot.segment_bytes = state.segment_bytes;
  slot.generation = state.generation;
  slot.use = static_cast<std::uint32_t>(state.use);
  slot.flags =
      (state.closed_cleanly ? kClosedCleanlyFlag : 0) | (state.unsynced ? kUnsyncedFlag : 0);
  slot.lane = state.lane;
  slot.lane_sequence = state.lane_sequence;
  slot.first_lane_sequence = state.first_lane_sequence;
  slot.base_lsn = state.base_lsn.value;
  slot.end_offset = state.end_offset;
  slot.end_lsn = state.end_lsn.value;
  slot.next_segment = state.next.value;
  slot.crc = slot_crc(slot);
  return slot;
}

DecodedSlot decode_segment_slot(Bytes bytes) noexcept {
  NACRE_ASSERT(bytes.size() >= sizeof(SegmentSlot));
  SegmentSlot slot;
  std::memcpy(&slot, bytes.data(), sizeof slot);
  DecodedSlot decoded;
  const Bytes read = bytes.first(sizeof slot);
  if (std::ranges::all_of(read, [](std::byte b) { return b == std::byte{0}; })) return decoded;
  decoded.condition = SlotCondition::kDamaged;
  if (slot.magic != kSegmentMagic || slot.crc != slot_crc(slot)) return decoded;
  decoded.format_version = slot.format_version;
  if (slot.format_version > kSegmentFormatVersion) {
    decoded.condition = SlotCondition::kNewer;
    return decoded;
  }
  if (!known_use(slot.use)) return decoded;
  decoded.condition = SlotCondition::kValid;
  decoded.state = to_state(slot);
  return decoded;
}

Result<DecodedHeader> decode_segment_header(Bytes header) {
  if (header.size() < kSegmentDataOffset) {
    return Error(ErrorCode::kCorruption,
                 fmt::format("the segment file is cut short: {} bytes where the header alone has "
                             "{}; restore it from a copy",
                             header.size(), kSegmentDataOffset));
  }
  const DecodedSlot first = decode_segment_slot(header);
  const DecodedSlot second = decode_segment_slot(header.subspan(kSegmentSlotBytes));
  for (const DecodedSlot& slot : {first, second}) {
    if (slot.condition == SlotCondition::kNewer) {
      return Error(ErrorCode::kUnsupported,
                   fmt::format("segment format version {} is newer than this library's {}; open it "
                               "with a newer nacre",
                               slot.format_version, kSegmentFormatVersion));
    }
  }
  const bool first_valid = first.condition == SlotCondition::kValid;
  const bool second_valid = second.condition == SlotCondition::kValid;
  if (!first_valid && !second_valid) {
    return Error(ErrorCode::kCorruption,
                 "neither header slot is valid: this is not a nacre segment, or its header is "
                 "damaged; restore the file from a copy");
  }
  const bool take_first =
      first_valid && (!second_valid || first.state.sequence > second.state.sequence);
  const DecodedSlot& other = take_first ? second : first;
  return DecodedHeader{.state = take_first ? first.state : second.state,
                       .slot = take_first ? std::size_t{0} : std::size_t{1},
                       .other_damaged = other.condition == SlotCondition::kDamaged};
}

std::string_view segment_use_name(SegmentUse use) noexcept {
  switch (use) {
    case SegmentUse::kFree:
      return "free";
    case SegmentUse::kActive:
      return "active";
    case SegmentUse::kSealed:
      return "sealed";
  }
  return "unknown";
}

std::uint32_t record_seed(const SegmentState& state) noexcept {
  // The generation comes last: two seeds that differ only in those 32 bits never collide, because
  // a CRC detects every burst of up to 32 bits.
  struct {
    std::array<std::uint8_t, 16> log_uuid;
    le64 segment_id;
    le32 generation;
  } const identity{state.log_uuid.bytes, state.id.value, state.generation};
  static_assert(sizeof identity == 28);
  return crc32c(~0U, std::as_bytes(std::span(&identity, 1)));
}

}  // namespace nacre
