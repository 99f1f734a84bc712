#pragma once

// What a table holds, as its builder tells it and its file says it.

#include <cstdint>
#include <string>
#include <vector>

#include "lib/store/entry.h"
#include "lib/store/table_format.h"
#include "nacre/types.h"

namespace nacre::store {

struct TableInfo {
  TableId id;
  std::uint64_t file_bytes = 0;
  std::uint64_t entries = 0;
  std::uint64_t keys = 0;  ///< Different ones.
  std::uint64_t removals = 0;
  std::uint64_t raw_bytes = 0;  ///< Of the keys and values of all entries.
  /// All entries and range removals lie from the one to the other, both included.
  std::vector<std::byte> smallest_key;
  std::vector<std::byte> largest_key;
  Sequence smallest_sequence;
  Sequence largest_sequence;

  friend bool operator==(const TableInfo&, const TableInfo&) = default;
};

/// The keyspace a table was made for. Readers go by the manifest, and by this where that is lost.
struct TableOwner {
  std::uint32_t keyspace = 0;  ///< Its id.
  std::string name;
  std::string merge_operator;  ///< Its name; empty without one.

  friend bool operator==(const TableOwner&, const TableOwner&) = default;
};

/// Removes what is in [begin, end) and has a lower sequence.
struct RangeRemoval {
  Bytes begin;
  Bytes end;
  Sequence sequence;
};

}  // namespace nacre::store
