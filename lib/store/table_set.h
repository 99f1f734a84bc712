#pragma once

// Which tables a store has, at one moment: for each keyspace levels of them. Level 0 holds what was
// flushed, and its tables overlap; in each level below no two do.
//
// Thread safety: immutable.

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "lib/store/entry.h"
#include "lib/store/removal_fragments.h"
#include "lib/store/table.h"
#include "nacre/comparator.h"
#include "nacre/types.h"

namespace nacre::store {

using TableHandle = std::shared_ptr<const Table>;

/// Of tables in the order of their keys, without overlaps: the index of the last that does not
/// begin behind `key`, which alone may hold it; of the first where there is none.
///
/// What ends a range removal is no key of its table, and may be the first key of the next one.
std::size_t table_around(std::span<const TableHandle> tables, Bytes key, const Comparator& order);

/// About how many bytes the entries in [begin, end) take in `table`. Errors: `corruption`, `io`.
Result<std::uint64_t> size_between(const Table& table, const Comparator& order, Bytes begin,
                                   Bytes end);

struct KeyspaceLevels {
  /// Level 0: the newest first. The others: in the order of their keys.
  std::vector<std::vector<TableHandle>> levels;

  /// Puts a table where it belongs in its level.
  void add(std::uint32_t level, TableHandle table, const Comparator& order);
  /// Takes a table out, if it is there.
  void remove(TableId id);
  /// To be called when `levels` has changed.
  void index_removals(const Comparator& order);
  /// The range removals in all tables; null when there are none.
  const RemovalFragments* removals() const noexcept {
    return removals_ == nullptr ? nullptr : &removals_->fragments();
  }

 private:
  std::shared_ptr<const OwnedRemovals> removals_;
};

class TableSet {
 public:
  TableSet() = default;

  /// Null for a keyspace without tables.
  const KeyspaceLevels* find(std::uint32_t keyspace_index) const noexcept {
    return keyspace_index < keyspaces_.size() ? keyspaces_[keyspace_index].get() : nullptr;
  }

  /// DRAM that the tables keep beside their mappings.
  std::uint64_t memory_bytes() const noexcept;

  /// As this one, with `levels` for one keyspace.
  std::shared_ptr<const TableSet> with(std::uint32_t keyspace_index,
                                       std::shared_ptr<const KeyspaceLevels> levels) const;

 private:
  std::vector<std::shared_ptr<const KeyspaceLevels>> keyspaces_;
};

}  // namespace nacre::store
