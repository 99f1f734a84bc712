#pragma once

// Looking at a store without opening it: its manifest, its tables, every checksum of them. Takes no
// lock, writes nothing, and may stand beside a writer.
//
// Thread safety: pure functions of the files.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/store/manifest.h"
#include "lib/store/table.h"
#include "lib/store/table_format.h"
#include "lib/store/table_info.h"
#include "nacre/comparator.h"
#include "nacre/executor.h"
#include "nacre/file_system.h"
#include "nacre/result.h"
#include "wal/log_listing.h"

namespace nacre::store {

struct LoggedEdit {
  Lsn lsn;
  std::vector<std::byte> record;
};

/// The manifest as it stands in the log.
struct ManifestLog {
  /// From the newest record that says everything, or the first one.
  std::vector<LoggedEdit> edits;
  /// What they add up to.
  ManifestState state;
};
/// Errors: as `read_manifest`.
Result<ManifestLog> read_manifest_log(FileSystem& file_system, const wal::LogLocation& log);

/// What the manifest of the store `log` says now; a state without keyspaces when nothing was ever
/// written to the store.
/// Errors: `corruption`, `unsupported` (a newer format), `io`; `busy`: a writer changed it during
/// each of several looks.
Result<ManifestState> read_manifest(FileSystem& file_system, const wal::LogLocation& log);

/// Where `directory`, a store's, has the table.
std::filesystem::path table_path(const std::filesystem::path& directory, TableId id);

/// The header of the table in the file `path`, by itself.
/// Errors: `not_found`, `corruption`, `unsupported` (newer format), `io`.
Result<TableHeader> read_table_header(FileSystem& file_system, const std::filesystem::path& path);

/// What a table's header only says the lengths of.
struct TableNames {
  std::string comparator;  ///< That the keys are sorted by.
  /// None in a table of format version 1; without names where their checksum does not hold.
  std::optional<TableOwner> owner;
};

/// Those of the table in `path`. Errors: as `read_table_header`.
Result<TableNames> read_table_names(FileSystem& file_system, const std::filesystem::path& path,
                                    const TableHeader& header);

/// One of nacre's own by its name, or a stand-in that has the name, orders by bytes, and is good
/// for whoever walks over a table but does not search it.
Comparator comparator_to_look_with(std::string_view name);

/// About how many bytes the entries of `keyspace` in [begin, end) take in its tables; 0 when
/// `begin` is not before `end`. Errors: as Table::open; `invalid_argument` (an order that only a
/// program knows).
Result<std::uint64_t> approximate_size(FileSystem& file_system, const wal::LogLocation& log,
                                       const KeyspaceRecord& keyspace, Bytes begin, Bytes end);

struct TablesReport {
  std::uint64_t tables = 0;
  std::uint64_t bytes = 0;
  std::uint64_t entries = 0;
  std::vector<Error> damage;
};

/// Reads and checks all of every table that the manifest names, several at a time, and calls
/// `on_table`, where there is one, with the bytes of each, one call at a time. Beside a busy writer
/// it looks again.
/// Errors: as `read_manifest`.
Result<TablesReport> verify_tables(FileSystem& file_system, Executor& executor,
                                   const wal::LogLocation& log,
                                   const std::function<void(std::uint64_t bytes)>& on_table = {});

}  // namespace nacre::store
