#pragma once

// The floor: bare non-temporal stores of whole cache lines and a fence, in the widest form the
// machine has. Written by hand and apart from the library, so that the two cannot share a mistake.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace nacre::bench {

inline constexpr std::size_t kLineBytes = 64;

/// `bytes` rounded up to whole cache lines.
constexpr std::size_t round_up_to_line(std::size_t bytes) noexcept {
  return (bytes + kLineBytes - 1) / kLineBytes * kLineBytes;
}

/// Writes records of `record_bytes` round and round over a range: streams their lines, fences.
struct FloorLoop {
  std::span<std::byte> range;
  /// Where the records come from: at least `record_bytes` plus 15 times `source_stride`; the next
  /// of 16 sources is taken each time, as the other contenders take their payloads.
  const std::byte* source = nullptr;
  std::size_t source_stride = 0;
  std::size_t record_bytes = 0;  ///< A multiple of 64.
  std::size_t position = 0;
  std::uint64_t count = 0;
};

/// Performs `n` operations of the loop.
void run_floor(FloorLoop& loop, std::uint64_t n) noexcept;

/// Streams whole lines, without a fence. `to` is aligned to 64.
void stream_lines(std::byte* to, const std::byte* from, std::size_t lines) noexcept;

/// Waits for all this thread has streamed.
void store_fence() noexcept;

/// What the two above use on this machine: "avx512", "avx2" or "sse2".
std::string_view stream_instruction_set() noexcept;

}  // namespace nacre::bench
