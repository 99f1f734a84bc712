#pragma once

// How a record becomes whole cache lines, for instruction sets without masked loads. The
// instruction set supplies only the stores.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "pmem/copy_routines.h"

namespace nacre::pmem {

/// A line put together in the cache before it is stored in one go.
struct alignas(kCacheLineBytes) LineBuffer {
  std::byte bytes[kCacheLineBytes] = {};
};

/// `Stores::lines(to, from, count)` stores `count` lines of 64 bytes from any address to a
/// multiple of 64; `Stores::finish(to, bytes)` writes back what those stores left in the cache.
template <class Stores>
void stream_lines(std::byte* to, const std::byte* head, std::size_t head_bytes,
                  const std::byte* body, std::size_t body_bytes) noexcept {
  std::byte* const begin = to;
  const std::size_t head_lines = head_bytes / kCacheLineBytes;
  Stores::lines(to, head, head_lines);
  to += head_lines * kCacheLineBytes;
  head += head_lines * kCacheLineBytes;
  head_bytes -= head_lines * kCacheLineBytes;

  if (head_bytes > 0) {
    LineBuffer line;
    const std::size_t taken = std::min(kCacheLineBytes - head_bytes, body_bytes);
    std::memcpy(line.bytes, head, head_bytes);
    if (taken > 0) std::memcpy(line.bytes + head_bytes, body, taken);
    Stores::lines(to, line.bytes, 1);
    to += kCacheLineBytes;
    body += taken;
    body_bytes -= taken;
  }

  const std::size_t body_lines = body_bytes / kCacheLineBytes;
  Stores::lines(to, body, body_lines);
  to += body_lines * kCacheLineBytes;
  body += body_lines * kCacheLineBytes;
  body_bytes -= body_lines * kCacheLineBytes;

  if (body_bytes > 0) {
    LineBuffer line;
    std::memcpy(line.bytes, body, body_bytes);
    Stores::lines(to, line.bytes, 1);
    to += kCacheLineBytes;
  }
  Stores::finish(begin, static_cast<std::size_t>(to - begin));
}

/// A copy whose ragged ends go through the cache and are then flushed.
template <class Stores>
void copy_lines(std::byte* to, const std::byte* from, std::size_t bytes,
                FlushFunction flush) noexcept {
  const std::size_t past_line = reinterpret_cast<std::uintptr_t>(to) % kCacheLineBytes;
  if (past_line != 0 && bytes > 0) {
    const std::size_t ragged = std::min(kCacheLineBytes - past_line, bytes);
    std::memcpy(to, from, ragged);
    flush(to, ragged);
    to += ragged;
    from += ragged;
    bytes -= ragged;
  }
  const std::size_t lines = bytes / kCacheLineBytes;
  Stores::lines(to, from, lines);
  Stores::finish(to, lines * kCacheLineBytes);
  to += lines * kCacheLineBytes;
  from += lines * kCacheLineBytes;
  bytes -= lines * kCacheLineBytes;
  if (bytes > 0) {
    std::memcpy(to, from, bytes);
    flush(to, bytes);
  }
}

}  // namespace nacre::pmem
