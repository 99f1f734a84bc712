#include "emulation/simulation/streaming_store.h"

#include <cstdint>

namespace nacre {
namespace {

bool is_legacy_prefix(std::uint8_t byte) {
  switch (byte) {
    case 0x26:
    case 0x2e:
    case 0x36:
    case 0x3e:
    case 0x64:
    case 0x65:
    case 0x66:
    case 0x67:
    case 0xf0:
    case 0xf2:
    case 0xf3:
      return true;
    default:
      return false;
  }
}

/// In the map of opcodes that 0F escapes to, where the vector forms have no others.
bool is_streaming_opcode(std::uint8_t opcode) {
  constexpr std::uint8_t kMovntps = 0x2b;   // With 66: MOVNTPD.
  constexpr std::uint8_t kMovntq = 0xe7;    // With 66: MOVNTDQ.
  constexpr std::uint8_t kMaskmovq = 0xf7;  // With 66: MASKMOVDQU.
  return opcode == kMovntps || opcode == kMovntq || opcode == kMaskmovq;
}

}  // namespace

bool is_streaming_store(const void* instruction) noexcept {
  const auto* at = static_cast<const std::uint8_t*>(instruction);
  switch (*at) {
    case 0xc5:  // VEX, two bytes: always the map of 0F.
      return is_streaming_opcode(at[2]);
    case 0xc4:  // VEX, three bytes.
      return (at[1] & 0x1f) == 1 && is_streaming_opcode(at[3]);
    case 0x62:  // EVEX. F7 is no masked move there.
      return (at[1] & 0x07) == 1 && is_streaming_opcode(at[4]) && at[4] != 0xf7;
    default:
      break;
  }
  while (is_legacy_prefix(*at)) ++at;
  constexpr std::uint8_t kRex = 0x40;
  if ((*at & 0xf0) == kRex) ++at;
  if (at[0] != 0x0f) return false;
  constexpr std::uint8_t kMovnti = 0xc3;
  if (at[1] == kMovnti || is_streaming_opcode(at[1])) return true;
  // MOVDIR64B, MOVDIRI.
  return at[1] == 0x38 && (at[2] == 0xf8 || at[2] == 0xf9);
}

}  // namespace nacre
