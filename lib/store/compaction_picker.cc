#include "lib/store/compaction_picker.h"

#include <algorithm>
#include <utility>

namespace nacre::store {
namespace {

using Level = std::vector<TableHandle>;

struct KeyRange {
  Bytes smallest;
  Bytes largest;
};

KeyRange range_of(const Table& table) {
  return {.smallest = table.info().smallest_key, .largest = table.info().largest_key};
}

bool overlap(const KeyRange& a, const KeyRange& b, const Comparator& order) {
  return order(a.smallest, b.largest) <= 0 && order(b.smallest, a.largest) <= 0;
}

KeyRange range_of(const Level& tables, const Comparator& order) {
  KeyRange all = range_of(*tables.front());
  for (const TableHandle& table : tables) {
    const KeyRange one = range_of(*table);
    if (order(one.smallest, all.smallest) < 0) all.smallest = one.smallest;
    if (order(one.largest, all.largest) > 0) all.largest = one.largest;
  }
  return all;
}

Level overlapping(const KeyspaceLevels& keyspace, std::size_t level, const KeyRange& range,
                  const Comparator& order) {
  Level found;
  if (level >= keyspace.levels.size()) return found;
  for (const TableHandle& table : keyspace.levels[level]) {
    if (overlap(range_of(*table), range, order)) found.push_back(table);
  }
  return found;
}

std::uint64_t bytes_of(const Level& tables) {
  std::uint64_t bytes = 0;
  for (const TableHandle& table : tables) bytes += table->info().file_bytes;
  return bytes;
}

bool overlap_among(const Level& tables, const Comparator& order) {
  Level sorted = tables;
  std::ranges::sort(sorted, [&](const TableHandle& a, const TableHandle& b) {
    return order(a->info().smallest_key, b->info().smallest_key) < 0;
  });
  for (std::size_t i = 1; i < sorted.size(); ++i) {
    if (overlap(range_of(*sorted[i - 1]), range_of(*sorted[i]), order)) return true;
  }
  return false;
}

/// Of a level below 0, in bytes.
double limit_of(std::size_t level, const LevelLimits& limits) {
  double limit = static_cast<double>(limits.level1_bytes);
  for (std::size_t i = 1; i < level; ++i) limit *= static_cast<double>(limits.ratio);
  return limit;
}

/// How far a level is above what it should be; from 1 on something has to go.
double pressure(const KeyspaceLevels& keyspace, std::size_t level, const LevelLimits& limits) {
  const Level& tables = keyspace.levels[level];
  if (level == 0) {
    return static_cast<double>(tables.size()) / static_cast<double>(limits.level0_tables);
  }
  return static_cast<double>(bytes_of(tables)) / limit_of(level, limits);
}

/// The table that costs the least to move down, of a level without overlaps.
Level cheapest(const KeyspaceLevels& keyspace, std::size_t level, const Comparator& order) {
  const auto cost = [&](const TableHandle& table) {
    const Level below = overlapping(keyspace, level + 1, range_of(*table), order);
    return static_cast<double>(bytes_of(below)) / static_cast<double>(table->info().file_bytes);
  };
  return {*std::ranges::min_element(keyspace.levels[level], {}, cost)};
}

}  // namespace

std::optional<Compaction> pick_compaction(const KeyspaceLevels& keyspace, const Comparator& order,
                                          const LevelLimits& limits) {
  std::size_t fullest = 0;
  double most = 0;
  for (std::size_t level = 0; level < keyspace.levels.size(); ++level) {
    const double now = pressure(keyspace, level, limits);
    if (now > most) {
      most = now;
      fullest = level;
    }
  }
  if (most < 1) return {};

  Compaction picked;
  picked.to_level = static_cast<std::uint32_t>(fullest) + 1;
  picked.upper = fullest == 0 ? keyspace.levels[0] : cheapest(keyspace, fullest, order);
  const KeyRange range = range_of(picked.upper, order);
  picked.lower = overlapping(keyspace, fullest + 1, range, order);
  picked.is_move = picked.lower.empty() && !overlap_among(picked.upper, order);
  Level merged = picked.upper;
  merged.insert(merged.end(), picked.lower.begin(), picked.lower.end());
  const KeyRange whole = range_of(merged, order);
  picked.is_bottom = true;
  for (std::size_t level = fullest + 2; level < keyspace.levels.size(); ++level) {
    picked.is_bottom &= overlapping(keyspace, level, whole, order).empty();
  }
  return picked;
}

std::uint32_t level_for_load(const KeyspaceLevels& keyspace, const Compaction* running,
                             const Comparator& order, const Table& table, std::uint64_t load_bytes,
                             const LevelLimits& limits) {
  const KeyRange range = range_of(table);
  if (running != nullptr) {
    // A table that it makes may lie around this one, though none that it takes does.
    Level inputs = running->upper;
    inputs.insert(inputs.end(), running->lower.begin(), running->lower.end());
    if (overlap(range_of(inputs, order), range, order)) return 0;
  }
  auto lowest = static_cast<std::uint32_t>(std::max<std::size_t>(keyspace.levels.size(), 2)) - 1;
  while (limit_of(lowest, limits) < static_cast<double>(load_bytes)) ++lowest;
  for (std::uint32_t level = 0; level <= lowest; ++level) {
    if (overlapping(keyspace, level, range, order).empty()) continue;
    return level == 0 ? 0 : level - 1;
  }
  return lowest;
}

std::optional<Compaction> pick_everything(const KeyspaceLevels& keyspace) {
  Compaction all;
  all.to_level = std::max<std::uint32_t>(1, static_cast<std::uint32_t>(keyspace.levels.size()) - 1);
  all.is_bottom = true;
  for (std::size_t level = 0; level < keyspace.levels.size(); ++level) {
    Level& into = level == all.to_level ? all.lower : all.upper;
    into.insert(into.end(), keyspace.levels[level].begin(), keyspace.levels[level].end());
  }
  if (all.upper.empty()) return {};
  return all;
}

}  // namespace nacre::store
