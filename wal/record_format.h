#pragma once

// Frames: how records lie in a segment. Implements docs/format/record.md.
//
// A frame is a 24-byte header and a payload, padded to 64 bytes. Its checksum is seeded with the
// segment's identity and generation and with the frame's own place, so that neither an earlier use
// of the space nor a misdirected write ever validates. No tail pointer exists: the log ends where
// frames stop validating.

#include <array>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "lib/base/endian.h"
#include "lib/codec/crc32c.h"
#include "nacre/types.h"

namespace nacre::wal {

/// Frames begin at multiples of this.
inline constexpr std::size_t kFrameAlignment = 64;
/// What one device write of the block domain seals; a resume frame begins at a multiple of it.
inline constexpr std::size_t kBlockBytes = 4096;

enum class FrameKind : std::uint8_t {
  kData = 1,    ///< One record.
  kBatch = 2,   ///< Several records under one checksum: all or none.
  kPad = 3,     ///< No record; fills a block that is sealed. Only the header is checksummed.
  kResume = 4,  ///< No record; says where the frames before it ended, short of this block.
};

struct FrameHeader {
  le32 crc;               ///< CRC32C of the rest of the header and of the payload, seeded.
  le32 payload_bytes;     ///< Without header and padding.
  le64 lsn;               ///< Of the (first) record; for pad and resume the last one before.
  le32 durable_distance;  ///< Every record of the lane up to `lsn` minus this was durable.
  std::uint8_t kind;
  std::uint8_t reserved;
  le16 tag;  ///< The caller's.
};
static_assert(sizeof(FrameHeader) == 24 && alignof(FrameHeader) == 1);
static_assert(offsetof(FrameHeader, payload_bytes) == 4 && offsetof(FrameHeader, lsn) == 8);
static_assert(offsetof(FrameHeader, kind) == 20 && offsetof(FrameHeader, tag) == 22);
static_assert(std::is_trivially_copyable_v<FrameHeader>);

/// A header while it is being made: three words, so that it is stored, and loaded by the copy
/// routine right after, in pieces of 8 bytes.
struct FrameFields {
  std::uint32_t payload_bytes = 0;
  std::uint64_t lsn = 0;
  std::uint32_t durable_distance = 0;
  FrameKind kind = FrameKind::kData;
  std::uint16_t tag = 0;

  /// The bytes 16 to 23 of the header.
  std::uint64_t last_word() const noexcept {
    return std::uint64_t{durable_distance} | std::uint64_t{static_cast<std::uint8_t>(kind)} << 32 |
           std::uint64_t{tag} << 48;
  }
  /// The checksum over the header, to be continued over the payload.
  std::uint32_t begin_crc(std::uint32_t seed) const noexcept {
    return crc32c_fields(seed, payload_bytes, lsn, last_word());
  }
  std::array<le64, 3> encode(std::uint32_t crc) const noexcept {
    return {std::uint64_t{crc} | std::uint64_t{payload_bytes} << 32, lsn, last_word()};
  }
};
static_assert(sizeof(std::array<le64, 3>) == sizeof(FrameHeader));

/// No frame has a longer payload: the largest record of a Wal, or the largest value of a store with
/// its key and what goes before them.
inline constexpr std::size_t kLargestPayloadBytes =
    (std::size_t{16} << 20) + (std::size_t{128} << 10);

/// "Unknown": the distance does not fit.
inline constexpr std::uint32_t kUnknownDistance = ~std::uint32_t{0};

/// At the start of a batch frame's payload, followed by `count` entries, each padded to 8 bytes.
struct BatchHeader {
  le32 count;
  le32 reserved;
};
struct BatchEntry {
  le32 payload_bytes;
  le16 tag;
  le16 reserved;
};
static_assert(sizeof(BatchHeader) == 8 && sizeof(BatchEntry) == 8);
inline constexpr std::size_t kBatchEntryAlignment = 8;

/// A resume frame's payload.
struct ResumePayload {
  le64 previous_end;  ///< Offset in the segment at which the frames before it ended.
};
static_assert(sizeof(ResumePayload) == 8);

constexpr std::size_t align_up(std::size_t value, std::size_t alignment) noexcept {
  return (value + alignment - 1) & ~(alignment - 1);
}

constexpr std::size_t frame_bytes(std::size_t payload_bytes) noexcept {
  return align_up(sizeof(FrameHeader) + payload_bytes, kFrameAlignment);
}

/// The checksum's start value for a frame at `offset` of a segment seeded with `seed`.
constexpr std::uint32_t frame_seed(std::uint32_t seed, std::size_t offset) noexcept {
  return seed ^ static_cast<std::uint32_t>(offset / kFrameAlignment);
}

constexpr std::uint32_t durable_distance(Lsn lsn, Lsn durable) noexcept {
  const std::uint64_t distance = lsn.value - durable.value;
  return distance < kUnknownDistance ? static_cast<std::uint32_t>(distance) : kUnknownDistance;
}

}  // namespace nacre::wal
