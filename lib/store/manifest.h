#pragma once

// What a store is made of: its keyspaces, their tables, and up to where the log has gone into them.
// A log of edits on a lane; now and then one record that says everything, and what is before it
// goes. Implements docs/format/manifest.md.
//
// Thread safety: none of its own.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "lib/store/entry.h"
#include "nacre/result.h"
#include "nacre/types.h"
#include "wal/lane_core.h"

namespace nacre::store {

struct TableRecord {
  std::uint64_t id = 0;
  std::uint32_t level = 0;
  std::uint64_t file_bytes = 0;
  /// Of a table that was loaded: all of it counts as written then. 0: its entries say when.
  Sequence since = {};
  friend bool operator==(const TableRecord&, const TableRecord&) = default;
};

struct KeyspaceRecord {
  std::uint32_t id = 0;
  std::string name;
  std::string comparator;
  std::string merge_operator = {};                   ///< Empty: none.
  std::map<std::uint64_t, TableRecord> tables = {};  ///< By id, older ones first.
  friend bool operator==(const KeyspaceRecord&, const KeyspaceRecord&) = default;
};

/// All of it.
struct ManifestState {
  std::map<std::uint32_t, KeyspaceRecord> keyspaces = {};  ///< By id.
  Lsn flushed_through;                                     ///< Writes up to here are in tables.
  std::uint32_t next_keyspace = 0;  ///< No keyspace has had this id or a higher one.
  std::uint64_t next_table = 1;     ///< No table file has had this id or a higher one.
  friend bool operator==(const ManifestState&, const ManifestState&) = default;
};

/// A change: all of it happens, or nothing.
struct ManifestEdit {
  struct Table {
    std::uint32_t keyspace = 0;
    TableRecord table;
  };
  std::vector<KeyspaceRecord> new_keyspaces = {};  ///< Without tables.
  std::vector<std::uint32_t> dropped_keyspaces = {};
  std::vector<Table> new_tables = {};
  std::vector<Table> removed_tables = {};  ///< Only their ids count.
  Lsn flushed_through = {};                ///< 0: as it was.
};

/// Errors: `corruption` when `edit` contradicts `state`, which may be half changed then.
Status apply(const ManifestEdit& edit, ManifestState& state);

class Manifest {
 public:
  /// Reads what `lane` holds. `lane` is borrowed.
  /// Errors: as wal::LaneCursor; `corruption`, `unsupported` (a newer format).
  static Result<Manifest> open(wal::LaneCore& lane);

  const ManifestState& state() const noexcept { return state_; }
  bool is_new() const noexcept { return is_new_; }

  /// Durability: durable on success; nothing has changed after an error.
  /// Errors: as nacre::Lane::append.
  Status commit(const ManifestEdit& edit);

 private:
  explicit Manifest(wal::LaneCore& lane) : lane_(&lane) {}
  Status append_all();

  wal::LaneCore* lane_;
  ManifestState state_;
  bool is_new_ = true;
  std::uint64_t bytes_since_all_ = 0;
};

}  // namespace nacre::store
