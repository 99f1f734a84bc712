#pragma once

// A bad block in mapped memory, on demand: while it stands, a load or store there is a true SIGBUS
// from the kernel, as from persistent memory with an uncorrectable error.
//
// The unit is the page, 4096 bytes: the processor's memory management knows no smaller one. Media
// lose 256 bytes at a time; a test of that has to poison the whole page.
//
// Thread safety: other threads may use the memory while it is poisoned and healed; they meet either
// the bytes or the signal.

#include <cstddef>
#include <utility>

#include "nacre/result.h"
#include "nacre/types.h"

namespace nacre {

class PoisonedRange {
 public:
  static constexpr std::size_t kPageBytes = 4096;

  /// Poisons every page that holds a byte of `bytes`. They lie in a shared mapping (MAP_SHARED) of
  /// pages of 4096 bytes, which stays mapped until this is destroyed.
  /// Errors: `invalid_argument` (no bytes, not mapped, or not shared), `no_space` (mappings), `io`.
  static Result<PoisonedRange> create(Bytes bytes);

  PoisonedRange(PoisonedRange&& other) noexcept
      : poisoned_(std::exchange(other.poisoned_, nullptr)),
        aside_(std::exchange(other.aside_, nullptr)),
        size_(std::exchange(other.size_, 0)) {}
  PoisonedRange& operator=(PoisonedRange&&) = delete;
  /// Heals: the pages show what they showed before.
  ~PoisonedRange();

  /// The poisoned pages.
  Bytes pages() const noexcept { return {poisoned_, size_}; }

 private:
  PoisonedRange(std::byte* poisoned, std::byte* aside, std::size_t size)
      : poisoned_(poisoned), aside_(aside), size_(size) {}

  std::byte* poisoned_;
  std::byte* aside_;  // The same pages of the file, mapped a second time.
  std::size_t size_;
};

}  // namespace nacre
