#pragma once

// The hash of a key in the hash index of tables. On media: docs/format/table.md spells it out.

#include <cstdint>
#include <cstring>

#include "lib/base/endian.h"
#include "nacre/types.h"

namespace nacre::store {
namespace table_hash_detail {

// Odd, with about as many ones as zeros: 2^64 over the golden ratio, and the two multipliers of
// SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, OOPSLA 2014).
inline constexpr std::uint64_t kFirst = 0x9e3779b97f4a7c15;
inline constexpr std::uint64_t kSecond = 0xbf58476d1ce4e5b9;
inline constexpr std::uint64_t kThird = 0x94d049bb133111eb;

/// Both halves of the 128-bit product, as in Wang Yi's wyhash.
inline std::uint64_t fold(std::uint64_t a, std::uint64_t b) noexcept {
  __extension__ using Product = unsigned __int128;
  const Product product = static_cast<Product>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

template <class Word>
std::uint64_t word_at(const std::byte* at) noexcept {
  Word word;
  std::memcpy(&word, at, sizeof word);
  return word;
}

}  // namespace table_hash_detail

inline std::uint64_t table_hash(Bytes key) noexcept {
  using namespace table_hash_detail;
  const std::byte* data = key.data();
  const std::size_t bytes = key.size();
  std::uint64_t hash = fold(bytes ^ kFirst, kSecond);
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  if (bytes >= 8) {
    for (std::size_t at = 0; at + 16 < bytes; at += 16) {
      hash = fold(word_at<le64>(data + at) ^ kSecond, word_at<le64>(data + at + 8) ^ hash);
    }
    first = word_at<le64>(bytes >= 16 ? data + bytes - 16 : data);
    last = word_at<le64>(data + bytes - 8);
  } else if (bytes >= 4) {
    first = word_at<le32>(data);
    last = word_at<le32>(data + bytes - 4);
  } else if (bytes > 0) {
    first = std::to_integer<std::uint64_t>(data[0]) |
            std::to_integer<std::uint64_t>(data[bytes / 2]) << 8 |
            std::to_integer<std::uint64_t>(data[bytes - 1]) << 16;
  }
  hash = fold(first ^ kSecond, last ^ hash);
  return fold(hash ^ kFirst, kThird);
}

}  // namespace nacre::store
