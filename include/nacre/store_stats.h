#pragma once

// What an open store tells of itself: what it holds, what it has written, what it has had to wait
// for. Every counter counts from the opening on.
//
// Thread safety: values.

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

namespace nacre {

/// The tables of one level of a keyspace.
struct LevelStats {
  std::uint32_t level = 0;
  std::uint64_t tables = 0;
  std::uint64_t keys = 0;     ///< Of each table by itself: one that is in two counts twice.
  std::uint64_t entries = 0;  ///< Versions and removals of keys.
  std::uint64_t range_removals = 0;
  std::uint64_t bytes = 0;      ///< Of the files.
  std::uint64_t raw_bytes = 0;  ///< Of the keys and values of all entries.
};

/// The tables of a keyspace.
struct KeyspaceStats {
  std::string name;
  std::vector<LevelStats> levels;  ///< Those that have tables, the highest first.

  std::uint64_t table_bytes() const noexcept {
    std::uint64_t sum = 0;
    for (const LevelStats& level : levels) sum += level.bytes;
    return sum;
  }
  /// How many tables a get looks into, at most: each of level 0, and one of every level below.
  std::uint64_t tables_per_get() const noexcept {
    std::uint64_t sum = 0;
    for (const LevelStats& level : levels) sum += level.level == 0 ? level.tables : 1;
    return sum;
  }
  /// How many bytes the tables take for each byte of keys and values in the lowest level, which
  /// holds nearly all of what can be read. 0 without tables.
  double space_amplification() const noexcept {
    if (levels.empty() || levels.back().raw_bytes == 0) return 0;
    return static_cast<double>(table_bytes()) / static_cast<double>(levels.back().raw_bytes);
  }
};

/// DRAM that a store takes, in bytes.
struct StoreMemory {
  std::uint64_t budget = 0;     ///< Of StoreOptions; 0: none.
  std::uint64_t memtables = 0;  ///< Also of those that nobody but a reader keeps.
  std::uint64_t tables = 0;     ///< Of open tables, beside their mappings.
  std::uint64_t builders = 0;   ///< Indexes of tables that are being written.
  std::uint64_t used() const noexcept { return memtables + tables + builders; }
};

struct StoreStats {
  std::vector<KeyspaceStats> keyspaces;
  StoreMemory memory;

  std::uint64_t memtable_bytes = 0;       ///< DRAM that the memtables take.
  std::uint64_t sealed_memtables = 0;     ///< Sets of them that are still to go into tables.
  std::uint64_t unflushed_log_bytes = 0;  ///< Bytes of writes that are in no table yet.

  std::uint64_t log_segments = 0;  ///< In use, by writes and by the manifest.
  std::uint64_t log_bytes = 0;     ///< Of those files.

  /// By users: keys, values, and 16 bytes for each write.
  std::uint64_t written_bytes = 0;
  std::uint64_t flushes = 0;
  std::uint64_t flushed_bytes = 0;  ///< Of tables that memtables went into.
  std::uint64_t merges = 0;
  std::uint64_t merged_bytes = 0;  ///< Of tables that others were merged into.

  std::uint64_t loads = 0;             ///< Bulk loads that have become part of the store.
  std::uint64_t loaded_bytes = 0;      ///< Of the tables that they wrote.
  std::uint64_t loaded_raw_bytes = 0;  ///< Of the keys and values in those.

  /// Writes that slept because tables were not written as fast as memtables filled, and how long
  /// they were told to, all together; and those that waited until there was room at all.
  std::uint64_t slowed_writes = 0;
  std::uint64_t slowed_ns = 0;
  std::uint64_t stopped_writes = 0;

  /// Of every 256th get on a thread: how many there were, and how many tables they looked into.
  std::uint64_t sampled_gets = 0;
  std::uint64_t sampled_tables = 0;

  std::uint64_t snapshots = 0;  ///< Held, those of transactions among them.
  /// Of the oldest: how far LSNs have moved on since, and for how long it has been held by the
  /// store's clock.
  std::uint64_t oldest_snapshot_lsns = 0;
  std::uint64_t oldest_snapshot_ns = 0;

  /// Bytes that went to the media for each byte that users wrote or loaded: once into the log, but
  /// for what was loaded, then into tables. Records of the log are padded; that is not counted. 0
  /// before anything was written.
  double write_amplification() const noexcept {
    const std::uint64_t of_users = written_bytes + loaded_raw_bytes;
    if (of_users == 0) return 0;
    return static_cast<double>(written_bytes + loaded_bytes + flushed_bytes + merged_bytes) /
           static_cast<double>(of_users);
  }
  /// The worst of the keyspaces.
  std::uint64_t tables_per_get() const noexcept {
    std::uint64_t most = 0;
    for (const KeyspaceStats& keyspace : keyspaces) {
      most = std::max(most, keyspace.tables_per_get());
    }
    return most;
  }
  /// The mean over a sample of gets; what a memtable has costs none. 0 before any was sampled.
  double mean_tables_per_get() const noexcept {
    if (sampled_gets == 0) return 0;
    return static_cast<double>(sampled_tables) / static_cast<double>(sampled_gets);
  }
  /// Of all keyspaces together; see KeyspaceStats::space_amplification.
  double space_amplification() const noexcept {
    std::uint64_t bytes = 0;
    std::uint64_t lowest = 0;
    for (const KeyspaceStats& keyspace : keyspaces) {
      bytes += keyspace.table_bytes();
      if (!keyspace.levels.empty()) lowest += keyspace.levels.back().raw_bytes;
    }
    return lowest == 0 ? 0 : static_cast<double>(bytes) / static_cast<double>(lowest);
  }
};

}  // namespace nacre
