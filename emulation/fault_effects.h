#pragma once

// What the faults of a plan come to in bytes, for a file and for a device alike.
//
// Thread safety: pure functions.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>

#include "nacre/emulation/fault_plan.h"
#include "nacre/random.h"

namespace nacre {

/// What O_DIRECT asks offsets, sizes and memory to be multiples of.
inline constexpr std::size_t kFaultBlock = 4096;

/// Whether `fault` changes what is read or written, not only when.
inline bool strikes_data(const std::optional<Fault>& fault) noexcept {
  return fault && fault->effect != FaultEffect::kStuck && fault->effect != FaultEffect::kSlow;
}

/// How much of [offset, offset + bytes) a file may hold that must end at `end_limit`. A range that
/// no file can have is not a matter of room: the system below refuses it in its own words.
inline std::uint64_t room_for(std::uint64_t offset, std::uint64_t bytes,
                              std::uint64_t end_limit) noexcept {
  constexpr auto kMaxFileBytes =
      static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  if (bytes > kMaxFileBytes || offset > kMaxFileBytes - bytes) return bytes;
  return std::min(bytes, end_limit - std::min(end_limit, offset));
}

inline std::uint64_t saturating_sum(std::uint64_t a, std::uint64_t b) noexcept {
  return a > std::numeric_limits<std::uint64_t>::max() - b
             ? std::numeric_limits<std::uint64_t>::max()
             : a + b;
}

inline std::uint64_t moved(std::uint64_t offset, std::int64_t by) noexcept {
  const auto sum = static_cast<std::int64_t>(offset) + by;
  return sum < 0 ? 0 : static_cast<std::uint64_t>(sum);
}

struct FlippedBit {
  std::uint64_t offset;
  std::uint8_t mask;
};

/// Which bit of `bytes` (not 0) read from `offset` on goes wrong.
inline FlippedBit flipped_bit(std::uint64_t seed, std::uint64_t offset, std::size_t bytes) {
  SeededRandom draw(seed ^ offset);
  const std::uint64_t bit = uniform_below(draw, std::uint64_t{bytes} * 8);
  return {.offset = offset + bit / 8, .mask = static_cast<std::uint8_t>(1U << (bit % 8))};
}

}  // namespace nacre
