#include "lib/store/level_metrics.h"

#include <string>

namespace nacre::store {

void write_level_metrics(PrometheusWriter& writer, const std::vector<KeyspaceStats>& keyspaces) {
  const auto of_each_level = [&](auto value) {
    for (const KeyspaceStats& keyspace : keyspaces) {
      for (const LevelStats& level : keyspace.levels) {
        writer.sample({{"keyspace", keyspace.name}, {"level", std::to_string(level.level)}},
                      value(level));
      }
    }
  };
  writer.gauge("nacre_level_tables", "Tables of a level of a keyspace.");
  of_each_level([](const LevelStats& level) { return level.tables; });
  writer.gauge("nacre_level_bytes", "Size of the level's table files.");
  of_each_level([](const LevelStats& level) { return level.bytes; });
  writer.gauge("nacre_level_raw_bytes", "Keys and values of all entries in the level.");
  of_each_level([](const LevelStats& level) { return level.raw_bytes; });
  writer.gauge("nacre_level_entries", "Versions and removals of keys in the level.");
  of_each_level([](const LevelStats& level) { return level.entries; });
}

}  // namespace nacre::store
