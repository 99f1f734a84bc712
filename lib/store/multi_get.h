#pragma once

// Looks many keys up together: while one key's place in a table is on its way into the cache, those
// of the others are asked for.
//
// Thread safety: one thread at a time. Lifetime: within the pin of what it looks into.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "lib/store/entry.h"
#include "lib/store/keyspace_core.h"
#include "lib/store/read_states.h"
#include "lib/store/table_set.h"
#include "nacre/result.h"

namespace nacre::store {

class MultiGet {
 public:
  MultiGet(const ReadState& state, const KeyspaceCore& keyspace, Sequence at);

  /// So many keys are looked up together: what is asked for ahead must not push out of the cache
  /// what was asked for before.
  static constexpr std::size_t kMostKeys = 64;

  /// Of each key, kMostKeys at most, the newest version of `at` or before. Valid until the next
  /// call. Errors: as Table::find.
  Result<std::span<const std::optional<Entry>>> find(std::span<const Bytes> keys);

 private:
  void find_in_memtables();
  Status find_in_levels(const KeyspaceLevels& levels);
  Status find_in_level(std::span<const TableHandle> tables);
  Status find_in_table(const Table& table, std::span<const std::size_t> keys);
  void forget_found();

  const ReadState& state_;
  const KeyspaceCore& keyspace_;
  const Sequence at_;
  std::span<const Bytes> keys_;
  std::vector<std::optional<Entry>> found_;
  std::vector<std::uint64_t> hashes_;
  std::vector<std::size_t> missing_;  // Indices of the keys that are still looked for.
  std::vector<std::pair<std::size_t, std::size_t>> places_;  // Of a level: table, key.
  std::vector<std::size_t> group_;                           // The keys of one table.
  std::vector<std::uint64_t> group_hashes_;
};

}  // namespace nacre::store
