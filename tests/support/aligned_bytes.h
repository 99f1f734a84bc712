#pragma once

// Memory for O_DIRECT, with content a test can tell apart.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <random>
#include <span>
#include <string>

namespace nacre::test {

/// Zeros, or what follows from `seed` when it is not 0; aligned to 4096 bytes.
class AlignedBytes {
 public:
  explicit AlignedBytes(std::size_t bytes, std::uint64_t seed = 0)
      : data_(static_cast<std::byte*>(::operator new(bytes, kAlignment))), bytes_(bytes) {
    std::memset(data_, 0, bytes);
    if (seed == 0) return;
    std::mt19937_64 random(seed);
    for (std::size_t at = 0; at < bytes;) {
      const std::uint64_t drawn = random();
      const std::size_t part = std::min(bytes - at, sizeof(drawn));
      std::memcpy(data_ + at, &drawn, part);
      at += part;
    }
  }
  ~AlignedBytes() { ::operator delete(data_, kAlignment); }
  AlignedBytes(const AlignedBytes&) = delete;
  AlignedBytes& operator=(const AlignedBytes&) = delete;

  std::span<std::byte> span() const noexcept { return {data_, bytes_}; }
  std::string text() const { return {reinterpret_cast<const char*>(data_), bytes_}; }

 private:
  static constexpr std::align_val_t kAlignment{4096};

  std::byte* data_;
  std::size_t bytes_;
};

}  // namespace nacre::test
