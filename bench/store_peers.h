#pragma once

// What the peers of the store have in common.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "bench/store_engine.h"

namespace nacre::bench {

inline constexpr int kBloomBitsPerKey = 10;

/// Room for all of the data, with what a table adds to them.
inline std::size_t cache_bytes(const EngineSetting& setting) noexcept {
  constexpr std::uint64_t kLeast = std::uint64_t{1} << 30;
  return static_cast<std::size_t>(std::max(kLeast, setting.data_bytes * 2));
}

template <class Slice>
Slice as_slice(Bytes bytes) noexcept {
  const std::string_view text = as_text(bytes);
  return Slice(text.data(), text.size());
}

template <class Slice>
Bytes bytes_of(const Slice& slice) noexcept {
  return as_bytes({slice.data(), slice.size()});
}

}  // namespace nacre::bench
