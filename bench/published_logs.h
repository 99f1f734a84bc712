#pragma once

// Two published logs for persistent memory, as peers.
//
// After A. van Renen, L. Vogel, V. Leis, T. Neumann, A. Kemper, "Persistent Memory I/O Primitives",
// DaMoN 2019, section 3.3. Classic writes an entry with its length, makes it durable, writes a
// footer that makes it valid, and makes that durable: two fences. Zero starts from zeroed space and
// writes with the length the number of bits set in the entry; an entry whose bits are not all there
// yet does not have that number: one fence.
//
// Each in two forms. kWriteBack packs entries at multiples of 8 bytes, writes them with ordinary
// stores and flushes the lines with CLWB: the form the paper publishes. kStreamed starts every
// entry on a line of its own and writes whole lines with non-temporal stores, which the paper
// recommends and our own log does; it separates what the method costs from what the stores cost.
//
// Thread safety: none.

#include <cstddef>
#include <cstdint>
#include <span>

#include "nacre/types.h"

namespace nacre::bench {

enum class WriteForm : std::uint8_t { kWriteBack, kStreamed };

class ClassicLog {
 public:
  /// `range` is aligned to 64, borrowed, and used round and round.
  ClassicLog(std::span<std::byte> range, WriteForm form) noexcept : range_(range), form_(form) {}
  /// `payload`: a multiple of 8 bytes, at most 64 KiB.
  void append(Bytes payload) noexcept;

 private:
  void append_packed(Bytes payload) noexcept;
  void append_streamed(Bytes payload) noexcept;
  std::span<std::byte> range_;
  WriteForm form_;
  std::size_t position_ = 0;
};

class ZeroLog {
 public:
  /// `range` is aligned to 64 and borrowed.
  ZeroLog(std::span<std::byte> range, WriteForm form) noexcept;
  /// False when there is no room left: the space must be zeroed again first. `payload` as above.
  [[nodiscard]] bool append(Bytes payload) noexcept;
  /// Zeroes what has been used and starts over.
  void reset() noexcept;

 private:
  void append_packed(Bytes payload) noexcept;
  void append_streamed(Bytes payload) noexcept;
  std::span<std::byte> range_;
  WriteForm form_;
  std::size_t position_ = 0;
};

}  // namespace nacre::bench
