#pragma once

// The small value types every other header speaks in.

#include "nacre/compiler.h"

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace nacre {

/// Borrowed, read-only bytes.
using Bytes = std::span<const std::byte>;

/// Views the characters of `text`; valid as long as `text`'s storage.
inline Bytes as_bytes(std::string_view text) noexcept {
  return std::as_bytes(std::span<const char>(text.data(), text.size()));
}

/// Views `bytes` as characters; valid as long as the storage behind `bytes`.
inline std::string_view as_text(Bytes bytes) noexcept {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// Log sequence number: the place of a record in the order of all records of a log. 0 is "none".
struct Lsn {
  std::uint64_t value = 0;
  friend auto operator<=>(const Lsn&, const Lsn&) = default;
};

/// The number of a segment file within its directory. 0 is "none".
struct SegmentId {
  std::uint64_t value = 0;
  friend auto operator<=>(const SegmentId&, const SegmentId&) = default;
};

/// The place of a message in its partition: 0, 1, 2, ...
struct Offset {
  std::uint64_t value = 0;
  friend auto operator<=>(const Offset&, const Offset&) = default;
};

/// The random identity of one log directory, stamped into every file of it.
struct Uuid {
  std::array<std::uint8_t, 16> bytes{};
  friend bool operator==(const Uuid&, const Uuid&) = default;
  /// The usual 8-4-4-4-12 hexadecimal form.
  std::string to_string() const;
};

}  // namespace nacre
