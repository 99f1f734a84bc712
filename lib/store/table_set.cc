#include "lib/store/table_set.h"

#include <algorithm>
#include <utility>

namespace nacre::store {

std::size_t table_around(std::span<const TableHandle> tables, Bytes key, const Comparator& order) {
  const auto behind = std::ranges::partition_point(tables, [&](const TableHandle& table) {
    return order(table->info().smallest_key, key) <= 0;
  });
  return behind == tables.begin() ? 0 : static_cast<std::size_t>(behind - tables.begin()) - 1;
}

Result<std::uint64_t> size_between(const Table& table, const Comparator& order, Bytes begin,
                                   Bytes end) {
  const TableInfo& info = table.info();
  if (order(info.smallest_key, end) >= 0 || order(info.largest_key, begin) < 0) return 0;
  const bool whole = order(begin, info.smallest_key) <= 0 && order(info.largest_key, end) < 0;
  if (whole) return info.file_bytes;
  return table.approximate_bytes(begin, end);
}

void KeyspaceLevels::add(std::uint32_t level, TableHandle table, const Comparator& order) {
  if (levels.size() <= level) levels.resize(level + 1);
  std::vector<TableHandle>& tables = levels[level];
  const auto behind = [&](const TableHandle& other) {
    if (level == 0) return other->info().largest_sequence < table->info().largest_sequence;
    return order(table->info().smallest_key, other->info().smallest_key) < 0;
  };
  tables.insert(std::ranges::find_if(tables, behind), std::move(table));
}

void KeyspaceLevels::remove(TableId id) {
  for (std::vector<TableHandle>& tables : levels) {
    std::erase_if(tables, [id](const TableHandle& table) { return table->info().id == id; });
  }
  while (!levels.empty() && levels.back().empty()) levels.pop_back();
}

void KeyspaceLevels::index_removals(const Comparator& order) {
  std::vector<RangeRemoval> all;
  for (const std::vector<TableHandle>& tables : levels) {
    for (const TableHandle& table : tables) {
      const auto removals = table->removals();
      all.insert(all.end(), removals.begin(), removals.end());
    }
  }
  removals_ = all.empty() ? nullptr : std::make_shared<const OwnedRemovals>(all, order);
}

std::uint64_t TableSet::memory_bytes() const noexcept {
  std::uint64_t sum = 0;
  for (const auto& keyspace : keyspaces_) {
    if (keyspace == nullptr) continue;
    for (const std::vector<TableHandle>& level : keyspace->levels) {
      for (const TableHandle& table : level) sum += table->memory_bytes();
    }
  }
  return sum;
}

std::shared_ptr<const TableSet> TableSet::with(std::uint32_t keyspace_index,
                                               std::shared_ptr<const KeyspaceLevels> levels) const {
  auto next = std::make_shared<TableSet>(*this);
  if (next->keyspaces_.size() <= keyspace_index) next->keyspaces_.resize(keyspace_index + 1);
  next->keyspaces_[keyspace_index] = std::move(levels);
  return next;
}

}  // namespace nacre::store
