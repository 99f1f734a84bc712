#include "lib/store/multi_get.h"

#include <algorithm>
#include <numeric>

#include "lib/base/assert.h"
#include "lib/base/try.h"
#include "lib/store/memtable_set.h"

namespace nacre::store {

MultiGet::MultiGet(const ReadState& state, const KeyspaceCore& keyspace, Sequence at)
    : state_(state), keyspace_(keyspace), at_(at) {}

Result<std::span<const std::optional<Entry>>> MultiGet::find(std::span<const Bytes> keys) {
  NACRE_ASSERT(keys.size() <= kMostKeys);
  keys_ = keys;
  found_.assign(keys.size(), std::nullopt);
  missing_.resize(keys.size());
  std::iota(missing_.begin(), missing_.end(), std::size_t{0});
  find_in_memtables();
  const KeyspaceLevels* levels = state_.tables->find(keyspace_.index());
  if (levels != nullptr && !missing_.empty()) NACRE_TRY(find_in_levels(*levels));
  return std::span<const std::optional<Entry>>(found_);
}

void MultiGet::forget_found() {
  std::erase_if(missing_, [&](std::size_t key) { return found_[key].has_value(); });
}

void MultiGet::find_in_memtables() {
  const auto look_in = [&](const MemtableSet& set) {
    const Memtable* memtable = set.find(keyspace_.index());
    if (memtable == nullptr) return;
    for (const std::size_t key : missing_) {
      const Version* version = memtable->find(keys_[key], at_);
      if (version == nullptr) continue;
      found_[key] = {.key = keys_[key],
                     .sequence = version->sequence(),
                     .kind = version->kind(),
                     .value = version->value()};
    }
    forget_found();
  };
  look_in(*state_.active);
  for (const auto& set : state_.sealed) look_in(*set);
}

Status MultiGet::find_in_levels(const KeyspaceLevels& levels) {
  hashes_.resize(keys_.size());
  for (const std::size_t key : missing_) hashes_[key] = table_hash(keys_[key]);
  for (std::size_t level = 0; level < levels.levels.size() && !missing_.empty(); ++level) {
    const std::span<const TableHandle> tables(levels.levels[level]);
    if (level > 0) {
      NACRE_TRY(find_in_level(tables));
      continue;
    }
    for (const TableHandle& table : tables) {
      for (const std::size_t key : missing_) table->prefetch(hashes_[key]);
      NACRE_TRY(find_in_table(*table, missing_));
      forget_found();
    }
  }
  return {};
}

/// Of tables without overlaps: each key can be in one of them alone.
Status MultiGet::find_in_level(std::span<const TableHandle> tables) {
  places_.clear();
  for (const std::size_t key : missing_) {
    const std::size_t table = table_around(tables, keys_[key], keyspace_.comparator());
    if (table == tables.size()) continue;
    tables[table]->prefetch(hashes_[key]);
    places_.emplace_back(table, key);
  }
  std::ranges::sort(places_);
  for (std::size_t begin = 0; begin < places_.size();) {
    const std::size_t table = places_[begin].first;
    group_.clear();
    for (; begin < places_.size() && places_[begin].first == table; ++begin) {
      group_.push_back(places_[begin].second);
    }
    NACRE_TRY(find_in_table(*tables[table], group_));
  }
  forget_found();
  return {};
}

/// The table's index has been asked for with the keys' hashes.
Status MultiGet::find_in_table(const Table& table, std::span<const std::size_t> keys) {
  if (keys.empty()) return {};
  group_hashes_.clear();
  for (const std::size_t key : keys) group_hashes_.push_back(hashes_[key]);
  table.prefetch_entries(group_hashes_);
  for (const std::size_t key : keys) {
    found_[key] = NACRE_TRY(table.find(keys_[key], hashes_[key], at_));
  }
  return {};
}

}  // namespace nacre::store
