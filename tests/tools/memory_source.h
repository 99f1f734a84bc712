#pragma once

// Inputs of a test's own making.

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <utility>

#include "tools/byte_source.h"

namespace nacre::test {

/// Gives `text` in pieces of at most `chunk_bytes`.
inline tools::ByteSource text_source(std::string text, std::size_t chunk_bytes) {
  return [text = std::move(text), chunk_bytes,
          at = std::size_t{0}](std::span<std::byte> buffer) mutable -> Result<std::size_t> {
    const std::size_t count = std::min({text.size() - at, chunk_bytes, buffer.size()});
    const auto piece = std::as_bytes(std::span(text)).subspan(at, count);
    std::ranges::copy(piece, buffer.begin());
    at += count;
    return count;
  };
}

}  // namespace nacre::test
