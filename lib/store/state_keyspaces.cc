#include "lib/store/state_keyspaces.h"

#include <fmt/format.h>

#include <cstddef>
#include <cstdint>
#include <utility>

#include "lib/store/keyspace_core.h"
#include "lib/store/table.h"
#include "lib/store/table_set.h"

namespace nacre::store {
namespace {

void add_table(LevelStats& level, const TableInfo& info) {
  level.tables += 1;
  level.keys += info.keys;
  level.entries += info.entries;
  level.range_removals += info.removals;
  level.bytes += info.file_bytes;
  level.raw_bytes += info.raw_bytes;
}

}  // namespace

Result<KeyspaceCore*> find_keyspace(const ReadState& state, std::string_view name) {
  for (const auto& [id, keyspace] : *state.keyspaces) {
    if (keyspace->name() == name) return keyspace;
  }
  return Error(ErrorCode::kNotFound,
               fmt::format("there is no keyspace \"{}\"; keyspaces() names those there are, and "
                           "Store::create_keyspace makes another",
                           name));
}

std::vector<std::string> keyspace_names(const ReadState& state) {
  std::vector<std::string> names;
  for (const auto& [id, keyspace] : *state.keyspaces) names.push_back(keyspace->name());
  return names;
}

std::vector<KeyspaceStats> keyspace_stats(const ReadState& state) {
  std::vector<KeyspaceStats> all;
  for (const auto& [id, keyspace] : *state.keyspaces) {
    KeyspaceStats stats{.name = keyspace->name(), .levels = {}};
    if (const KeyspaceLevels* levels = state.tables->find(keyspace->index()); levels != nullptr) {
      for (std::size_t i = 0; i < levels->levels.size(); ++i) {
        if (levels->levels[i].empty()) continue;
        LevelStats level{.level = static_cast<std::uint32_t>(i)};
        for (const TableHandle& table : levels->levels[i]) add_table(level, table->info());
        stats.levels.push_back(level);
      }
    }
    all.push_back(std::move(stats));
  }
  return all;
}

}  // namespace nacre::store
