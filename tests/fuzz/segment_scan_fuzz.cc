// The scan of a segment's frames, and the search behind its end.
//
// Input: a byte that says which plausible frame keeps a wrong checksum (0: the fuzzer's own bytes
// stand everywhere, 255: none does), then the segment's data. Checksums are repaired because no
// fuzzer guesses one, and what lies behind them is the point.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "lib/codec/crc32c.h"
#include "mmap/segment_format.h"
#include "tests/fuzz/check.h"
#include "wal/record_format.h"
#include "wal/segment_scan.h"
#include "wal/sparse_index.h"

namespace nacre::wal {
namespace {

constexpr std::uint32_t kSeed = 0x5eed;
constexpr std::size_t kMaxDataBytes = std::size_t{64} << 10;

void repair_frame(std::span<std::byte> segment, std::size_t offset) {
  FrameHeader header;
  std::memcpy(&header, segment.data() + offset, sizeof header);
  const bool header_only = header.kind == static_cast<std::uint8_t>(FrameKind::kPad);
  const std::size_t covered = sizeof header + (header_only ? 0 : std::size_t{header.payload_bytes});
  const auto checked = segment.subspan(offset + sizeof header.crc, covered - sizeof header.crc);
  header.crc = crc32c(frame_seed(kSeed, offset), checked);
  std::memcpy(segment.data() + offset, &header, sizeof header);
}

/// Gives every frame that fits a right checksum, but the one numbered `spared`.
void repair(std::span<std::byte> segment, std::uint8_t spared) {
  std::uint8_t number = 0;
  for (std::size_t at = kSegmentDataOffset; at + kFrameAlignment <= segment.size();) {
    FrameHeader header;
    std::memcpy(&header, segment.data() + at, sizeof header);
    const std::size_t bytes = frame_bytes(header.payload_bytes);
    if (header.kind == 0 || bytes > segment.size() - at) {
      at += kFrameAlignment;
      continue;
    }
    if (++number != spared) repair_frame(segment, at);
    at += bytes;
  }
}

void check_batch(const FrameRead& frame) {
  std::size_t at = sizeof(BatchHeader);
  for (std::uint32_t i = 0; i < frame.records; ++i) {
    const BatchRead entry = read_batch_entry(frame.payload, at);
    fuzz::check(entry.next > at, "an entry of a batch takes room");
    at = entry.next;
  }
  fuzz::check(at == frame.payload.size(), "the entries fill the batch");
}

/// Follows the frames one by one; what it sees must be what the scan says.
void check_scan(Bytes segment, const SegmentScan& scan) {
  std::size_t at = kSegmentDataOffset;
  std::uint64_t records = 0;
  Lsn last;
  while (true) {
    const FrameRead frame = read_next_frame(segment, kSeed, at, last);
    if (frame.fault != FrameFault::kNone) break;
    fuzz::check(frame.next > at && frame.next <= segment.size(), "a frame lies in the segment");
    if (frame.records > 0) {
      fuzz::check(frame.first > last && frame.last() >= frame.first, "LSNs rise");
      last = frame.last();
    }
    if (frame.kind == FrameKind::kBatch) check_batch(frame);
    records += frame.records;
    at = frame.next;
  }
  fuzz::check(scan.end == at, "the scan ends where the frames do");
  fuzz::check(scan.records == records && scan.last == last, "the scan counts every record");
  fuzz::check(scan.unproven <= scan.end, "what is proven is part of what was read");
}

}  // namespace
}  // namespace nacre::wal

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace nacre;       // NOLINT(google-build-using-namespace): the one function out here.
  using namespace nacre::wal;  // NOLINT(google-build-using-namespace)
  if (size == 0) return 0;
  const Bytes input =
      std::as_bytes(std::span(data, size)).subspan(1, std::min(size - 1, kMaxDataBytes));
  std::vector<std::byte> segment(kSegmentDataOffset + input.size());
  std::ranges::copy(input, segment.begin() + kSegmentDataOffset);
  if (data[0] != 0) repair(segment, data[0]);

  SparseIndex index(segment.size());
  const SegmentScan scan =
      scan_segment(segment, kSeed, kSegmentDataOffset, segment.size(), Lsn{}, &index);
  check_scan(segment, scan);

  const TailSearch tail =
      search_tail(segment, kSeed, scan.end, scan.last, [](void*, std::size_t) noexcept {}, nullptr);
  fuzz::check(tail.bytes <= segment.size(), "frames behind the end do not overlap");
  fuzz::check(!tail.proves_rot || tail.frames > 0, "only a frame proves rot");
  return 0;
}
