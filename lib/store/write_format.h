#pragma once

// A record of the store's log: one write, or the writes of one batch, one behind the other.
// Implements docs/format/store_record.md.

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <type_traits>

#include "lib/base/endian.h"
#include "nacre/comparator.h"
#include "nacre/types.h"

namespace nacre::store {

/// Of one write; its key and its value follow, unpadded.
struct WriteHeader {
  std::uint8_t kind;  ///< An EntryKind, or kRemoveRangeKind.
  std::array<std::uint8_t, 3> reserved;
  le32 keyspace;
  le32 key_bytes;
  le32 value_bytes;
};
static_assert(sizeof(WriteHeader) == 16 && alignof(WriteHeader) == 1);
static_assert(offsetof(WriteHeader, keyspace) == 4 && offsetof(WriteHeader, value_bytes) == 12);
static_assert(std::is_trivially_copyable_v<WriteHeader>);

struct WriteView {
  std::uint8_t kind = 0;
  std::uint32_t keyspace = 0;
  Bytes key;
  Bytes value;
};

/// Beside those of EntryKind: removes the keys from `key` up to but not including `value`.
inline constexpr std::uint8_t kRemoveRangeKind = 5;

/// Takes the writes of a record apart.
class WriteReader {
 public:
  explicit WriteReader(Bytes record) : rest_(record) {}

  /// The next write; none at the end, and where the record is malformed.
  std::optional<WriteView> next() noexcept {
    if (rest_.empty()) return {};
    WriteHeader header;
    if (rest_.size() < sizeof header) return malformed();
    std::memcpy(&header, rest_.data(), sizeof header);
    const std::size_t key_bytes = header.key_bytes;
    const std::size_t value_bytes = header.value_bytes;
    if (rest_.size() - sizeof header < key_bytes + value_bytes) return malformed();
    const WriteView write{.kind = header.kind,
                          .keyspace = header.keyspace,
                          .key = rest_.subspan(sizeof header, key_bytes),
                          .value = rest_.subspan(sizeof header + key_bytes, value_bytes)};
    rest_ = rest_.subspan(sizeof header + key_bytes + value_bytes);
    return write;
  }
  bool is_malformed() const noexcept { return malformed_; }

 private:
  std::optional<WriteView> malformed() noexcept {
    malformed_ = true;
    return {};
  }

  Bytes rest_;
  bool malformed_ = false;
};

/// Whether a write of it removes a range.
inline bool has_range_removal(Bytes record) {
  WriteReader writes(record);
  while (const auto write = writes.next()) {
    if (write->kind == kRemoveRangeKind) return true;
  }
  return false;
}

/// Whether a later write of the same batch removes `write` with a whole range.
inline bool is_removed_later(const WriteView& write, const Comparator& order, WriteReader rest) {
  while (const auto later = rest.next()) {
    if (later->kind == kRemoveRangeKind && later->keyspace == write.keyspace &&
        order(later->key, write.key) <= 0 && order(write.key, later->value) < 0) {
      return true;
    }
  }
  return false;
}

}  // namespace nacre::store
