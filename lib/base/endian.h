#pragma once

// Little-endian integers for on-media structs.
//
// Each is an array of bytes: alignment 1, no padding, the same on every machine. A format struct
// made of them may be laid over any address, and reads like its specification. Raw integers may
// not: their alignment and byte order belong to the machine.

#include <array>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

namespace nacre {

template <std::unsigned_integral T>
class LittleEndian {
 public:
  LittleEndian() = default;
  // NOLINTNEXTLINE(google-explicit-constructor): format structs are filled like plain structs.
  constexpr LittleEndian(T value) noexcept { store(value); }
  constexpr LittleEndian& operator=(T value) noexcept {
    store(value);
    return *this;
  }
  // NOLINTNEXTLINE(google-explicit-constructor)
  constexpr operator T() const noexcept { return to_native(std::bit_cast<T>(bytes_)); }

 private:
  static constexpr T to_native(T value) noexcept {
    if constexpr (std::endian::native == std::endian::big) return std::byteswap(value);
    return value;
  }
  constexpr void store(T value) noexcept {
    bytes_ = std::bit_cast<std::array<std::byte, sizeof(T)>>(to_native(value));
  }

  std::array<std::byte, sizeof(T)> bytes_;
};

using le16 = LittleEndian<std::uint16_t>;
using le32 = LittleEndian<std::uint32_t>;
using le64 = LittleEndian<std::uint64_t>;

static_assert(sizeof(le16) == 2 && alignof(le16) == 1 && std::is_trivially_copyable_v<le16>);
static_assert(sizeof(le32) == 4 && alignof(le32) == 1 && std::is_trivially_copyable_v<le32>);
static_assert(sizeof(le64) == 8 && alignof(le64) == 1 && std::is_trivially_copyable_v<le64>);

}  // namespace nacre
