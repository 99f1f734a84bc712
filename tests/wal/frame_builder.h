#pragma once

// Frames made by hand, after docs/format/record.md and not through the writer, so that the two
// check each other.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lib/codec/crc32c.h"
#include "mmap/segment_format.h"
#include "nacre/types.h"
#include "wal/record_format.h"

namespace nacre::test {

struct FrameSpec {
  wal::FrameKind kind = wal::FrameKind::kData;
  std::uint64_t lsn = 0;
  std::uint32_t durable_distance = 1;
  std::uint16_t tag = 0;
  std::string payload = {};
};

/// The frame's bytes, padded, as they lie at `offset` of a segment with `seed`.
inline std::string make_frame(std::uint32_t seed, std::size_t offset, const FrameSpec& spec) {
  wal::FrameHeader header{};
  header.payload_bytes = static_cast<std::uint32_t>(spec.payload.size());
  header.lsn = spec.lsn;
  header.durable_distance = spec.durable_distance;
  header.kind = static_cast<std::uint8_t>(spec.kind);
  header.tag = spec.tag;
  std::string frame(wal::frame_bytes(spec.payload.size()), '\0');
  std::memcpy(frame.data(), &header, sizeof header);
  std::memcpy(frame.data() + sizeof header, spec.payload.data(), spec.payload.size());
  const std::size_t covered =
      sizeof header + (spec.kind == wal::FrameKind::kPad ? 0 : spec.payload.size());
  header.crc = crc32c(
      wal::frame_seed(seed, offset),
      as_bytes(std::string_view(frame).substr(sizeof header.crc, covered - sizeof header.crc)));
  std::memcpy(frame.data(), &header, sizeof header);
  return frame;
}

inline std::string batch_payload(const std::vector<std::string>& records) {
  wal::BatchHeader header{};
  header.count = static_cast<std::uint32_t>(records.size());
  std::string payload(reinterpret_cast<const char*>(&header), sizeof header);
  for (const std::string& record : records) {
    wal::BatchEntry entry{};
    entry.payload_bytes = static_cast<std::uint32_t>(record.size());
    payload.append(reinterpret_cast<const char*>(&entry), sizeof entry);
    payload += record;
    payload.resize(wal::align_up(payload.size(), wal::kBatchEntryAlignment));
  }
  return payload;
}

inline std::string resume_payload(std::uint64_t previous_end) {
  wal::ResumePayload payload{};
  payload.previous_end = previous_end;
  return {reinterpret_cast<const char*>(&payload), sizeof payload};
}

/// A segment in memory, filled frame by frame.
class SegmentBuilder {
 public:
  explicit SegmentBuilder(std::uint32_t seed, std::size_t bytes = kMinSegmentBytes)
      : seed_(seed), bytes_(bytes, '\0') {}

  /// Puts a frame at the end and returns its offset.
  std::size_t add(const FrameSpec& spec) {
    const std::size_t offset = end_;
    end_ += put(offset, spec);
    return offset;
  }
  /// Puts a frame anywhere; returns its size. Does not move the end.
  std::size_t put(std::size_t offset, const FrameSpec& spec) {
    const std::string frame = make_frame(seed_, offset, spec);
    bytes_.replace(offset, frame.size(), frame);
    return frame.size();
  }
  /// Fills the block with a pad, as the block domain seals it.
  void seal_block(std::uint64_t last_lsn = 0) {
    const std::size_t gap = wal::align_up(end_, wal::kBlockBytes) - end_;
    if (gap == 0) return;
    add({.kind = wal::FrameKind::kPad,
         .lsn = last_lsn,
         .durable_distance = wal::kUnknownDistance,
         .payload = std::string(gap - sizeof(wal::FrameHeader), '\0')});
  }
  void skip_to(std::size_t offset) { end_ = offset; }
  void flip(std::size_t offset, unsigned bit) {
    bytes_[offset] = static_cast<char>(static_cast<unsigned char>(bytes_[offset]) ^ (1U << bit));
  }

  Bytes bytes() const { return as_bytes(bytes_); }
  std::string& text() { return bytes_; }
  std::size_t end() const { return end_; }
  std::uint32_t seed() const { return seed_; }

 private:
  std::uint32_t seed_;
  std::string bytes_;
  std::size_t end_ = kSegmentDataOffset;
};

}  // namespace nacre::test
