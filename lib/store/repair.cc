#include "lib/store/repair.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "lib/base/try.h"
#include "lib/io/directory_lock.h"
#include "lib/store/inspect.h"
#include "lib/store/new_store.h"
#include "lib/store/salvage_keyspaces.h"
#include "lib/store/salvage_log.h"
#include "lib/store/salvage_manifest.h"
#include "lib/store/salvage_merge.h"
#include "lib/store/salvage_table.h"
#include "lib/store/salvage_writes.h"
#include "lib/store/table.h"
#include "lib/store/write_log.h"
#include "mmap/superblock.h"

namespace nacre::store {
namespace {

constexpr std::string_view kLostMergeOperator = "lost";

class Repair {
 public:
  Repair(std::filesystem::path from, const StoreOptions& options, FileSystem& file_system)
      : from_(std::move(from)), options_(options), file_system_(file_system) {}

  Result<RepairReport> run(const std::filesystem::path& to) {
    NACRE_TRY(lock_source());
    log_ = NACRE_TRY(survey_log(file_system_, from_, report_.losses));
    lost_log_ = std::ranges::any_of(report_.losses, [this](const RepairLoss& loss) {
      return loss.path.starts_with((from_ / kSegmentDirectoryName).string());
    });
    NACRE_TRY(read_manifest());
    NACRE_TRY(keyspaces_.add_known());
    if (options_.segment_bytes == 0) options_.segment_bytes = log_.segment_bytes;
    target_ = NACRE_TRY(NewStore::begin(to, options_, std::nullopt));
    NACRE_TRY(take_tables());
    NACRE_TRY(take_log());
    NACRE_TRY(take_tables_of_nobody());
    NACRE_TRY(finish());
    return std::move(report_);
  }

 private:
  Status lock_source();
  Status read_manifest();

  Status take_tables();
  Status take_table(const std::filesystem::path& path, TableId id, SalvagedKeyspace& home,
                    Sequence since);
  Status salvage_from(const std::filesystem::path& path, SalvagedKeyspace& home, Sequence since);
  Status take_tables_of_nobody();
  Result<std::unique_ptr<TableBuilder>> begin_table(const SalvagedKeyspace& home);
  Status keep_temporary(TableBuilder& builder, SalvagedKeyspace& home, Sequence since);

  Status take_log();
  Status take_writes(SalvagedWrites& writes);
  Status finish();

  const std::filesystem::path from_;
  StoreOptions options_;
  FileSystem& file_system_;
  std::optional<DirectoryLock> lock_;
  RepairReport report_;
  SalvagedLog log_;
  SalvagedManifest manifest_;
  SalvagedKeyspaces keyspaces_{from_, log_.uuid, options_, file_system_, manifest_, report_.notes};
  std::vector<TableId> of_nobody_;  // Tables whose keyspace nothing tells.
  bool lost_entries_ = false;       // Of tables: perhaps the log has them still.
  bool lost_log_ = false;           // Some of it, by the files that are there.
  std::optional<Error> problem_;
  std::unique_ptr<NewStore> target_;
  std::vector<std::filesystem::path> temporary_;
  std::uint64_t next_table_ = 1;
};

/// Whoever had the store open would change it beneath us.
Status Repair::lock_source() {
  // Where there is no store, nothing is to be made.
  const bool is_there = file_system_.stat(from_ / kSuperblockName).has_value() ||
                        file_system_.stat(from_ / kTableDirectoryName).has_value();
  if (!is_there) return {};
  auto lock = DirectoryLock::acquire(file_system_, from_);
  if (lock) {
    lock_.emplace(*std::move(lock));
    return {};
  }
  if (lock.error().code() == ErrorCode::kBusy) return lock.error();
  // Media that cannot be written to are no reason to save nothing from them.
  report_.notes.push_back(
      fmt::format("the store could not be locked ({}): what somebody who has it open writes "
                  "meanwhile may be missing",
                  lock.error().message()));
  return {};
}

Status Repair::read_manifest() {
  const auto lane = log_.lanes.find(kManifestLane);
  if (lane != log_.lanes.end()) {
    for (const SalvagedSegment& segment : lane->second) {
      std::size_t losses = report_.losses.size();
      NACRE_TRY(read_salvaged(
          file_system_, segment, report_.losses,
          [&](Lsn, Bytes record) -> Status {
            if (std::exchange(losses, report_.losses.size()) != report_.losses.size()) {
              manifest_.lose();
            }
            manifest_.add(record);
            return {};
          },
          [] { return Status(); }));
      if (losses != report_.losses.size()) manifest_.lose();
    }
  }
  if (!log_.manifest_is_there) manifest_.lose();
  if (!manifest_.is_whole()) {
    report_.notes.emplace_back(
        "the manifest is damaged, or was never written: tables that it does not name are taken, "
        "too, and what was removed from the store may be back");
  }
  return {};
}

Result<std::unique_ptr<TableBuilder>> Repair::begin_table(const SalvagedKeyspace& home) {
  return TableBuilder::create(file_system_,
                              {.directory = target_->table_directory(),
                               .id = {next_table_++},
                               .store_uuid = target_->uuid(),
                               .owner = {.keyspace = home.record.id,
                                         .name = home.record.name,
                                         .merge_operator = home.record.merge_operator},
                               .comparator = home.order});
}

/// Has what `builder` holds merged with the rest of `home`.
Status Repair::keep_temporary(TableBuilder& builder, SalvagedKeyspace& home, Sequence since) {
  const TableInfo made = NACRE_TRY(builder.finish());
  home.sources.push_back(
      NACRE_TRY(Table::open(file_system_, {.directory = target_->table_directory(),
                                           .id = made.id,
                                           .store_uuid = target_->uuid(),
                                           .comparator = home.order,
                                           .since = since})));
  temporary_.push_back(home.sources.back()->path());
  return {};
}

Status Repair::take_tables() {
  std::set<std::uint64_t> named;
  for (auto& [id, home] : keyspaces_.all()) {
    for (const auto& [number, record] : home.record.tables) {
      named.insert(number);
      NACRE_TRY(take_table(table_path(from_, {number}), {number}, home, record.since));
    }
  }
  if (manifest_.is_whole()) return {};
  const auto directory = from_ / kTableDirectoryName;
  const auto names = file_system_.list_directory(directory);
  if (!names) {
    report_.losses.push_back({.path = directory.string(), .what = names.error().message()});
    return {};
  }
  for (const std::string& name : *names) {
    const TableId id = table_id_of(name);
    const bool is_known =
        id == TableId{} || named.contains(id.value) || manifest_.is_removed(id.value);
    if (!is_known) of_nobody_.push_back(id);
  }
  // Before the log is read, whose writes do not say how a keyspace is ordered.
  for (const TableId id : of_nobody_) NACRE_TRY(keyspaces_.add_owner_of(id));
  return {};
}

Status Repair::take_table(const std::filesystem::path& path, TableId id, SalvagedKeyspace& home,
                          Sequence since) {
  auto table = Table::open(file_system_, {.directory = path.parent_path(),
                                          .id = id,
                                          .store_uuid = log_.uuid,
                                          .comparator = home.order,
                                          .since = since});
  Status sound = table ? (*table)->verify() : Status(table.error());
  if (sound) {
    home.sources.push_back(*std::move(table));
    report_.tables += 1;
    return {};
  }
  const ErrorCode code = sound.error().code();
  if (code == ErrorCode::kUnsupported) return sound;
  lost_entries_ = true;
  const auto header = read_table_header(file_system_, path);
  const bool is_foreign = header && header->store_uuid != log_.uuid.bytes;
  if (code == ErrorCode::kNotFound || code == ErrorCode::kInvalidArgument || is_foreign) {
    const auto stat = file_system_.stat(path);
    report_.losses.push_back(
        {.path = path.string(), .bytes = stat ? stat->bytes : 0, .what = sound.error().message()});
    return {};
  }
  const std::size_t losses = report_.losses.size();
  NACRE_TRY(salvage_from(path, home, since));
  if (report_.losses.size() == losses) {
    report_.losses.push_back({.path = path.string(),
                              .offset = sound.error().offset().value_or(0),
                              .what = sound.error().message()});
  }
  return {};
}

Status Repair::salvage_from(const std::filesystem::path& path, SalvagedKeyspace& home,
                            Sequence since) {
  const auto builder = NACRE_TRY(begin_table(home));
  const SalvagedTable saved =
      NACRE_TRY(salvage_table(file_system_, path, *builder, report_.losses));
  if (saved.entries + saved.removals == 0) return {};
  report_.tables += 1;
  report_.damaged_tables += 1;
  return keep_temporary(*builder, home, since);
}

/// Tables that nothing names: what is known of them is what they say themselves.
Status Repair::take_tables_of_nobody() {
  for (const TableId id : of_nobody_) {
    SalvagedKeyspace* const home = NACRE_TRY(keyspaces_.of_unnamed(id));
    if (home != nullptr) NACRE_TRY(take_table(table_path(from_, id), id, *home, {}));
  }
  return {};
}

Status Repair::take_log() {
  // What is in tables already is not needed, and may be of keys that were removed since.
  const Lsn above = lost_entries_ ? Lsn{} : manifest_.state().flushed_through;
  if (lost_entries_ && manifest_.state().flushed_through.value > 0) {
    report_.notes.emplace_back(
        "tables are damaged: older writes that are still in the log are taken, too, and what was "
        "removed from the store may be back");
  }
  SalvagedWrites writes([this](std::uint32_t keyspace) -> const Comparator* {
    const auto order = keyspaces_.order_of(keyspace);
    if (order) return *order;
    problem_ = order.error();
    return nullptr;
  });
  const std::size_t losses = report_.losses.size();
  for (const auto& [number, lane] : log_.lanes) {
    if (number == kManifestLane) continue;
    for (const SalvagedSegment& segment : lane) {
      const auto visit = [&](Lsn lsn, Bytes record) -> Status {
        if (lsn <= above) return {};
        if (writes.add(record, Sequence::of(lsn, number))) {
          report_.log_records += 1;
        } else {
          report_.losses.push_back({.path = segment.path.string(),
                                    .bytes = record.size(),
                                    .what = fmt::format("the record with LSN {} is malformed, "
                                                        "though its checksum holds",
                                                        lsn.value)});
        }
        return problem_.has_value() ? Status(*problem_) : Status();
      };
      NACRE_TRY(read_salvaged(file_system_, segment, report_.losses, visit,
                              [&] { return take_writes(writes); }));
    }
  }
  if (lost_log_ || losses != report_.losses.size()) {
    report_.notes.emplace_back(
        "parts of the log are lost: what was last written may be missing, and what was last "
        "removed "
        "from the store may be back");
  }
  return {};
}

Status Repair::take_writes(SalvagedWrites& writes) {
  for (const std::uint32_t id : writes.keyspaces()) {
    SalvagedKeyspace& home = keyspaces_.all().at(id);
    const auto builder = NACRE_TRY(begin_table(home));
    if (NACRE_TRY(writes.write(id, *builder))) NACRE_TRY(keep_temporary(*builder, home, {}));
  }
  writes.clear();
  return {};
}

Status Repair::finish() {
  NACRE_TRY(keyspaces_.add_default());
  ManifestState state;
  for (auto& [id, home] : keyspaces_.all()) {
    const auto begin = [&] { return begin_table(home); };
    const MergedTables merged = NACRE_TRY(merge_salvaged(home.sources, home.order, begin));
    KeyspaceRecord record = home.record;
    record.tables.clear();
    if (merged.operands > 0 && record.merge_operator.empty()) {
      // So that opening asks for it, where a read could not do without.
      record.merge_operator = kLostMergeOperator;
      report_.notes.push_back(fmt::format(
          "the name of the merge operator of keyspace \"{}\" is lost: give it as \"{}\"",
          record.name, kLostMergeOperator));
    }
    for (const TableRecord& table : merged.tables) record.tables.emplace(table.id, table);
    state.keyspaces.emplace(id, std::move(record));
    state.flushed_through = std::max(state.flushed_through, merged.newest.lsn());
    report_.entries += merged.entries;
    home.sources.clear();
  }
  for (const auto& path : temporary_) NACRE_TRY(file_system_.remove(path));
  report_.keyspaces = state.keyspaces.size();
  state.next_keyspace = keyspaces_.next_id();
  state.next_table = next_table_;
  return target_->finish(state);
}

}  // namespace

Result<RepairReport> repair(const std::filesystem::path& from, const std::filesystem::path& to,
                            const StoreOptions& options) {
  const auto environment = NACRE_TRY(wal::OwnedEnvironment::create(options.environment));
  StoreOptions own = options;
  own.environment.file_system = &environment->file_system();
  own.environment.clock = &environment->clock();
  own.environment.random = &environment->random();
  own.environment.executor = &environment->executor();
  return Repair(from, own, environment->file_system()).run(to);
}

}  // namespace nacre::store
