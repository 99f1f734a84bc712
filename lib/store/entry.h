#pragma once

// One write of one key, as memtables and tables hold it.

#include <compare>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "nacre/store.h"
#include "nacre/types.h"

namespace nacre::store {

/// The place of a write in the order of all writes of a store: the LSN of its record, and within
/// one LSN the lane it was appended on, as the write-ahead log orders them. The writes of one batch
/// have one sequence.
struct Sequence {
  static constexpr unsigned kLaneBits = 8;
  std::uint64_t value = 0;

  static constexpr Sequence of(Lsn lsn, std::uint32_t lane) noexcept {
    return {lsn.value << kLaneBits | lane};
  }
  /// Above every write whose LSN is `lsn` or less.
  static constexpr Sequence through(Lsn lsn) noexcept {
    return {lsn.value << kLaneBits | ((std::uint64_t{1} << kLaneBits) - 1)};
  }
  Lsn lsn() const noexcept { return Lsn{value >> kLaneBits}; }
  std::uint32_t lane() const noexcept { return value & ((std::uint32_t{1} << kLaneBits) - 1); }
  friend auto operator<=>(const Sequence&, const Sequence&) = default;
};
inline constexpr Sequence kNewest{std::numeric_limits<std::uint64_t>::max()};

/// On media as it stands here; never renumber.
enum class EntryKind : std::uint8_t {
  kPut = 1,
  kRemove = 2,    ///< No value.
  kPutUntil = 3,  ///< The value begins with when it expires: le64, milliseconds since 1970.
  kMerge = 4,     ///< The value is an operand of the keyspace's merge operator.
};

/// Orders: by key, then the newest first.
struct Entry {
  Bytes key;
  Sequence sequence;
  EntryKind kind = EntryKind::kPut;
  Bytes value;
};

}  // namespace nacre::store
