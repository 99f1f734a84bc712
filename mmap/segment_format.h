#pragma once

// The segment header as it lies on the media: two checksummed slots, of which the valid one with
// the higher sequence counts. A change of state writes the other slot, so that a torn write leaves
// the old state standing. Implements docs/format/segment.md.

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "lib/base/endian.h"
#include "nacre/result.h"
#include "nacre/types.h"

namespace nacre {

inline constexpr std::uint32_t kSegmentFormatVersion = 1;
/// One slot, alone in its block, so that writing it never touches the other.
inline constexpr std::size_t kSegmentSlotBytes = 4096;
/// Where records begin.
inline constexpr std::size_t kSegmentDataOffset = 2 * kSegmentSlotBytes;

inline constexpr std::uint64_t kMinSegmentBytes = std::uint64_t{64} << 10;
inline constexpr std::uint64_t kMaxSegmentBytes = std::uint64_t{4} << 30;
inline constexpr std::uint64_t kDefaultSegmentBytes = std::uint64_t{64} << 20;

enum class SegmentUse : std::uint32_t {
  kFree = 1,    ///< Ready to be taken; holds nothing.
  kActive = 2,  ///< The newest of its lane; its end is found by scanning.
  kSealed = 3,  ///< Full: everything up to `end_offset` was durable when it was sealed.
};

/// What a slot says, in native types.
struct SegmentState {
  Uuid log_uuid;
  SegmentId id;
  std::uint64_t segment_bytes = 0;
  std::uint64_t sequence = 0;    ///< Counts the changes of state of this file.
  std::uint32_t generation = 0;  ///< Counts the uses; seeds the checksums of the records.
  SegmentUse use = SegmentUse::kFree;
  /// Written in a domain that does not survive power loss, and not synced since.
  bool unsynced = false;
  bool closed_cleanly = false;  ///< Active, and `end_offset`, `end_lsn` are exact.
  std::uint32_t lane = 0;
  std::uint64_t lane_sequence = 0;        ///< 0, 1, 2, ... within the lane.
  std::uint64_t first_lane_sequence = 0;  ///< The oldest the lane still needs.
  Lsn base_lsn;                           ///< No record here has a lower LSN; earlier segments do.
  std::uint64_t end_offset = 0;           ///< One past the last record, when sealed or clean.
  Lsn end_lsn;                            ///< The last LSN, when sealed or clean.
  SegmentId next;                         ///< When sealed: the segment the lane went on in.

  friend bool operator==(const SegmentState&, const SegmentState&) = default;
};

struct SegmentSlot {
  std::array<char, 8> magic;
  le32 crc;  ///< CRC32C of the bytes behind it, up to the end of this struct.
  le32 format_version;
  le64 sequence;
  std::array<std::uint8_t, 16> log_uuid;
  le64 segment_id;
  le64 segment_bytes;
  le32 generation;
  le32 use;
  le32 flags;
  le32 lane;
  le64 lane_sequence;
  le64 first_lane_sequence;
  le64 base_lsn;
  le64 end_offset;
  le64 end_lsn;
  le64 next_segment;
  std::array<std::byte, 64> reserved;
};
static_assert(sizeof(SegmentSlot) == 184 && alignof(SegmentSlot) == 1);
static_assert(offsetof(SegmentSlot, crc) == 8 && offsetof(SegmentSlot, format_version) == 12);
static_assert(offsetof(SegmentSlot, generation) == 56);
static_assert(std::is_trivially_copyable_v<SegmentSlot>);

inline constexpr std::array<char, 8> kSegmentMagic = {'N', 'A', 'C', 'R', 'E', 'S', 'E', 'G'};

SegmentSlot encode_segment_slot(const SegmentState& state) noexcept;

enum class SlotCondition : std::uint8_t {
  kValid,
  kBlank,    ///< All zeros: never written.
  kDamaged,  ///< Wrong magic or checksum: torn by a crash, or rotten.
  kNewer,    ///< A valid checksum over a format version this library does not know.
};

struct DecodedSlot {
  SlotCondition condition = SlotCondition::kBlank;
  std::uint32_t format_version = 0;
  SegmentState state;  ///< Meaningful when valid.
};
DecodedSlot decode_segment_slot(Bytes bytes) noexcept;

struct DecodedHeader {
  SegmentState state;
  std::size_t slot = 0;        ///< Which of the two holds `state`.
  bool other_damaged = false;  ///< The other slot is neither valid nor blank.
};

/// Chooses between the two slots. `header` is the first kSegmentDataOffset bytes of the file.
/// Errors: `corruption` (neither slot is valid), `unsupported` (newer format). Without a path; the
/// caller adds it.
Result<DecodedHeader> decode_segment_header(Bytes header);

std::string_view segment_use_name(SegmentUse use) noexcept;

/// Seeds the checksums of a segment's records, so that what an earlier use, another segment or
/// another log left there never validates.
std::uint32_t record_seed(const SegmentState& state) noexcept;

}  // namespace nacre
