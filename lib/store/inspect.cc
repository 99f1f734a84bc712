#include "lib/store/inspect.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <utility>

#include "lib/base/try.h"
#include "lib/store/manifest_format.h"
#include "lib/store/table_set.h"
#include "lib/store/write_log.h"
#include "wal/tail_cursor.h"

namespace nacre::store {
namespace {

/// So often a look is begun anew because the writer beside us gave up what it was reading.
constexpr int kMaxLooks = 100;

Error never_still(const wal::LogLocation& log) {
  return Error(ErrorCode::kBusy,
               fmt::format("the store changed during each of {} looks at it; look again when its "
                           "writer is less busy",
                           kMaxLooks))
      .with_path(log.directory.string());
}

/// The records of the manifest that count: from the newest one that says everything.
Result<std::vector<LoggedEdit>> read_edits(FileSystem& file_system, const wal::LogLocation& log) {
  std::vector<LoggedEdit> edits;
  const auto cursor = NACRE_TRY(wal::TailCursor::open(file_system, log, kManifestLane, Lsn{}));
  while (NACRE_TRY(cursor->next())) {
    const Bytes record = cursor->record().payload;
    if (says_everything(record)) edits.clear();
    edits.push_back({.lsn = cursor->record().lsn, .record = {record.begin(), record.end()}});
  }
  return edits;
}

struct NamedTable {
  TableId id;
  std::string comparator;
};

std::vector<NamedTable> tables_of(const ManifestState& manifest) {
  std::vector<NamedTable> tables;
  for (const auto& [id, keyspace] : manifest.keyspaces) {
    for (const auto& [table, record] : keyspace.tables) {
      tables.push_back({.id = {table}, .comparator = keyspace.comparator});
    }
  }
  return tables;
}

Result<TableInfo> verify_table(FileSystem& file_system, const wal::LogLocation& log,
                               const NamedTable& named) {
  const auto table = NACRE_TRY(
      Table::open(file_system, {.directory = log.directory / kTableDirectoryName,
                                .id = named.id,
                                .store_uuid = log.log_uuid,
                                .comparator = comparator_to_look_with(named.comparator)}));
  NACRE_TRY(table->verify());
  return table->info();
}

TablesReport look_at_tables(FileSystem& file_system, Executor& executor,
                            const wal::LogLocation& log, const ManifestState& manifest,
                            const std::function<void(std::uint64_t)>& on_table) {
  const std::vector<NamedTable> named = tables_of(manifest);
  std::vector<std::optional<Result<TableInfo>>> results(named.size());
  {
    std::mutex mutex;
    TaskGroup group(executor);
    for (std::size_t i = 0; i < named.size(); ++i) {
      group.run([&, i] {
        results[i].emplace(verify_table(file_system, log, named[i]));
        if (!*results[i] || !on_table) return;
        const std::lock_guard lock(mutex);
        on_table((*results[i])->file_bytes);
      });
    }
    group.wait();
  }
  TablesReport report;
  for (const auto& result : results) {
    report.tables += 1;
    if (!*result) {
      report.damage.push_back(result->error());
      continue;
    }
    report.bytes += (*result)->file_bytes;
    report.entries += (*result)->entries;
  }
  return report;
}

}  // namespace

Result<ManifestLog> read_manifest_log(FileSystem& file_system, const wal::LogLocation& log) {
  for (int look = 0; look < kMaxLooks; ++look) {
    auto edits = read_edits(file_system, log);
    // A writer that says everything anew gives up the segments before.
    if (!edits && edits.error().code() == ErrorCode::kNotFound) continue;
    if (!edits) return edits.error();
    ManifestLog manifest{.edits = *std::move(edits), .state = {}};
    for (const LoggedEdit& edit : manifest.edits) {
      Status applied = apply_record(edit.record, manifest.state);
      if (!applied) {
        return std::move(applied)
            .error()
            .with_path(log.directory.string())
            .with_lsn(edit.lsn.value);
      }
    }
    return manifest;
  }
  return never_still(log);
}

Result<ManifestState> read_manifest(FileSystem& file_system, const wal::LogLocation& log) {
  return NACRE_TRY(read_manifest_log(file_system, log)).state;
}

std::filesystem::path table_path(const std::filesystem::path& directory, TableId id) {
  return directory / kTableDirectoryName / table_file_name(id);
}

Result<TableHeader> read_table_header(FileSystem& file_system, const std::filesystem::path& path) {
  const std::uint64_t file_bytes = NACRE_TRY(file_system.stat(path)).bytes;
  const auto file = NACRE_TRY(file_system.open(path, {}));
  std::vector<std::byte> bytes(kTableHeaderBytes);
  bytes.resize(NACRE_TRY(file->read_at(0, bytes)));
  auto header = decode_table_header(bytes, file_bytes);
  if (!header) return std::move(header).error().with_path(path.string());
  return header;
}

Result<TableNames> read_table_names(FileSystem& file_system, const std::filesystem::path& path,
                                    const TableHeader& header) {
  const auto file = NACRE_TRY(file_system.open(path, {}));
  // Not longer than the file, as the header's checksum vouches for.
  std::string area(header.names.bytes, '\0');
  const std::size_t count =
      NACRE_TRY(file->read_at(header.names.offset, std::as_writable_bytes(std::span(area))));
  if (count != area.size()) return damaged_table(path, header.names.offset, "it was cut short");
  TableNames names{.comparator = area.substr(0, header.comparator_bytes), .owner = {}};
  if (header.format_version < kTableOwnerVersion) return names;
  names.owner.emplace().keyspace = header.keyspace;
  if (table_crc(as_bytes(area)) != header.names.crc) return names;
  const std::size_t owner_at = std::size_t{header.comparator_bytes} + header.prefix_bytes +
                               header.smallest_bytes + header.largest_bytes;
  names.owner->name = area.substr(owner_at, header.keyspace_name_bytes);
  names.owner->merge_operator =
      area.substr(owner_at + header.keyspace_name_bytes, header.merge_operator_bytes);
  return names;
}

Comparator comparator_to_look_with(std::string_view name) {
  for (Comparator own : {Comparator::bytewise(), Comparator::reverse_bytewise()}) {
    if (own.name() == name) return own;
  }
  return Comparator::custom(std::string(name), [](Bytes a, Bytes b) {
    return std::lexicographical_compare_three_way(a.begin(), a.end(), b.begin(), b.end());
  });
}

Result<std::uint64_t> approximate_size(FileSystem& file_system, const wal::LogLocation& log,
                                       const KeyspaceRecord& keyspace, Bytes begin, Bytes end) {
  const Comparator order = comparator_to_look_with(keyspace.comparator);
  if (!order.keeps_prefixes()) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("the keyspace {} is ordered by \"{}\", which only the program that "
                             "made it knows; ask Store::approximate_size there",
                             keyspace.name, keyspace.comparator))
        .with_path(log.directory.string());
  }
  std::uint64_t sum = 0;
  if (order(begin, end) >= 0) return sum;
  for (const auto& [id, record] : keyspace.tables) {
    const auto table =
        NACRE_TRY(Table::open(file_system, {.directory = log.directory / kTableDirectoryName,
                                            .id = {id},
                                            .store_uuid = log.log_uuid,
                                            .comparator = order}));
    sum += NACRE_TRY(size_between(*table, order, begin, end));
  }
  return sum;
}

Result<TablesReport> verify_tables(FileSystem& file_system, Executor& executor,
                                   const wal::LogLocation& log,
                                   const std::function<void(std::uint64_t bytes)>& on_table) {
  ManifestState manifest = NACRE_TRY(read_manifest(file_system, log));
  for (int look = 0; look < kMaxLooks; ++look) {
    TablesReport report = look_at_tables(file_system, executor, log, manifest, on_table);
    if (report.damage.empty()) return report;
    // A writer beside us may have merged a table away before we came to it.
    ManifestState now = NACRE_TRY(read_manifest(file_system, log));
    if (now == manifest) return report;
    manifest = std::move(now);
  }
  return never_still(log);
}

}  // namespace nacre::store
