#pragma once

// Which tables are merged next. A pure function of what there is: no clock, no chance.
//
// The tables of level 0 overlap, so that a read has to look into each of them; when there are
// several, all go into level 1 with whatever they overlap there. A level below that has more bytes
// than it should gives one table to the next: the one that has the fewest bytes rewritten for its
// own (O'Neil et al., "The Log-Structured Merge-Tree", Acta Informatica 1996, as LevelDB lays it
// out in levels).

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "lib/store/table_set.h"
#include "nacre/comparator.h"

namespace nacre::store {

struct LevelLimits {
  std::size_t level0_tables = 4;                          ///< From so many on they are merged.
  std::uint64_t level1_bytes = std::uint64_t{512} << 20;  ///< More than that go to level 2.
  std::uint64_t ratio = 10;                               ///< Of a level's bytes to those above it.
};

struct Compaction {
  std::uint32_t to_level = 1;
  std::vector<TableHandle> upper;  ///< Of the levels above.
  std::vector<TableHandle> lower;  ///< Of that level, in order.
  /// Nothing overlaps: the tables themselves go to the level.
  bool is_move = false;
  /// No level further down has any of these keys: a removal there hides nothing.
  bool is_bottom = false;
};

/// None when every level is as it should be.
std::optional<Compaction> pick_compaction(const KeyspaceLevels& keyspace, const Comparator& order,
                                          const LevelLimits& limits);

/// Where a table goes that is newer than everything there is, and was loaded with others,
/// `load_bytes` together: as low as nothing overlaps it in that level or above, and no lower than
/// where there is room for the load. `running`: a compaction that is not installed yet, or null.
std::uint32_t level_for_load(const KeyspaceLevels& keyspace, const Compaction* running,
                             const Comparator& order, const Table& table, std::uint64_t load_bytes,
                             const LevelLimits& limits);

/// Everything into the lowest level there is; none when it is there.
std::optional<Compaction> pick_everything(const KeyspaceLevels& keyspace);

}  // namespace nacre::store
