// The decoder of segment headers, on both slots at once.
//
// Input: a byte of flags, then the two slots one behind the other. A flag repairs a slot's checksum
// (and format version), because no fuzzer guesses those, and what lies behind them is the point.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "lib/codec/crc32c.h"
#include "mmap/segment_format.h"
#include "tests/fuzz/check.h"

namespace nacre {
namespace {

constexpr std::uint8_t kRepairFirst = 1;
constexpr std::uint8_t kRepairSecond = 2;
constexpr std::uint8_t kCutShort = 4;
constexpr std::size_t kCrcBegin = offsetof(SegmentSlot, format_version);

void repair(std::span<std::byte> slot) {
  SegmentSlot fixed;
  std::memcpy(&fixed, slot.data(), sizeof fixed);
  fixed.magic = kSegmentMagic;
  fixed.format_version = kSegmentFormatVersion;
  std::memcpy(slot.data(), &fixed, sizeof fixed);
  fixed.crc = ~crc32c(~0U, slot.subspan(kCrcBegin, sizeof fixed - kCrcBegin));
  std::memcpy(slot.data(), &fixed, sizeof fixed);
}

void check_slot(Bytes bytes) {
  const DecodedSlot slot = decode_segment_slot(bytes);
  if (slot.condition != SlotCondition::kValid) return;
  const SegmentSlot encoded = encode_segment_slot(slot.state);
  const DecodedSlot again = decode_segment_slot(std::as_bytes(std::span(&encoded, 1)));
  fuzz::check(again.condition == SlotCondition::kValid, "what was decoded encodes to a valid slot");
  fuzz::check(again.state == slot.state, "decode(encode(state)) is the state");
}

void check_choice(Bytes header) {
  const Result<DecodedHeader> chosen = decode_segment_header(header);
  if (!chosen) {
    fuzz::check(!chosen.error().message().empty(), "an error says what to do");
    return;
  }
  const DecodedSlot first = decode_segment_slot(header);
  const DecodedSlot second = decode_segment_slot(header.subspan(kSegmentSlotBytes));
  for (const DecodedSlot& slot : {first, second}) {
    fuzz::check(
        slot.condition != SlotCondition::kValid || slot.state.sequence <= chosen->state.sequence,
        "no valid slot is newer than the chosen one");
  }
  const DecodedSlot& taken = chosen->slot == 0 ? first : second;
  fuzz::check(taken.condition == SlotCondition::kValid && taken.state == chosen->state,
              "the chosen slot is valid");
}

}  // namespace
}  // namespace nacre

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace nacre;  // NOLINT(google-build-using-namespace): the one function out here.
  if (size == 0) return 0;
  const std::uint8_t flags = data[0];
  Bytes input = std::as_bytes(std::span(data, size)).subspan(1);

  std::array<std::byte, kSegmentDataOffset> header{};
  for (const std::size_t slot : {std::size_t{0}, kSegmentSlotBytes}) {
    const std::size_t bytes = std::min(input.size(), sizeof(SegmentSlot));
    std::ranges::copy(input.first(bytes), header.begin() + static_cast<std::ptrdiff_t>(slot));
    input = input.subspan(bytes);
  }
  if ((flags & kRepairFirst) != 0) repair(std::span(header).first(kSegmentSlotBytes));
  if ((flags & kRepairSecond) != 0) repair(std::span(header).subspan(kSegmentSlotBytes));

  check_slot(header);
  check_slot(Bytes(header).subspan(kSegmentSlotBytes));
  check_choice(Bytes(header).first((flags & kCutShort) != 0 ? header.size() - 1 : header.size()));
  return 0;
}
