#include "lib/store/repair.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "lib/base/try.h"
#include "lib/io/directory_lock.h"
#include "lib/store/inspect.h"
#include "lib/store/new_store.h"
#include "lib/store/salvage_log.h"
#include "lib/store/salvage_manifest.h"
#include "lib/store/salvage_merge.h"
#include "lib/store/salvage_table.h"
#include "lib/store/salvage_writes.h"
#include "lib/store/table.h"
#include "lib/store/table_set.h"
#include "lib/store/write_log.h"
#include "mmap/superblock.h"

namespace nacre::store {
namespace {

constexpr std::uint32_t kDefaultId = 0;
constexpr std::string_view kLostMergeOperator = "lost";

/// A keyspace of the new store, and where what is in it was found.
struct Home {
  KeyspaceRecord record;
  Comparator order;
  std::vector<TableHandle> sources;
};

class Repair {
 public:
  Repair(std::filesystem::path from, const StoreOptions& options, FileSystem& file_system)
      : from_(std::move(from)), options_(options), file_system_(file_system) {}

  Result<RepairReport> run(const std::filesystem::path& to) {
    NACRE_TRY(lock_source());
    log_ = NACRE_TRY(survey_log(file_system_, from_, report_.losses));
    NACRE_TRY(read_manifest());
    NACRE_TRY(add_known_keyspaces());
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
  Status add_known_keyspaces();
  Result<Home*> add_home(KeyspaceRecord record);
  KeyspaceRecord unknown_keyspace(std::uint32_t id, std::string_view comparator) const;
  std::optional<Comparator> find_order(std::string_view name) const;
  std::uint32_t next_keyspace() const;
  std::string order_in(const std::filesystem::path& table) const;
  std::string order_in_tables(const KeyspaceRecord& keyspace) const;

  Status take_tables();
  Status take_table(const std::filesystem::path& path, TableId id, Home& home, Sequence since);
  Status salvage_from(const std::filesystem::path& path, Home& home, Sequence since);
  Status take_tables_of_nobody();
  Result<Home*> home_of_nobodys(TableId id, std::string_view comparator);
  Result<std::unique_ptr<TableBuilder>> begin_table(const Comparator& order);
  Status keep_temporary(TableBuilder& builder, Home& home, Sequence since);

  Status take_log();
  Status take_writes(SalvagedWrites& writes);
  const Comparator* order_of(std::uint32_t keyspace);
  Status finish();

  const std::filesystem::path from_;
  StoreOptions options_;
  FileSystem& file_system_;
  std::optional<DirectoryLock> lock_;
  RepairReport report_;
  SalvagedLog log_;
  SalvagedManifest manifest_;
  std::map<std::uint32_t, Home> homes_;
  std::vector<TableId> of_nobody_;  // Tables whose keyspace nothing tells.
  bool lost_entries_ = false;       // Of tables: perhaps the log has them still.
  std::optional<Error> problem_;
  const Comparator bytewise_ = Comparator::bytewise();
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

std::optional<Comparator> Repair::find_order(std::string_view name) const {
  std::vector<Comparator> known = {Comparator::bytewise(), Comparator::reverse_bytewise(),
                                   options_.comparator};
  known.insert(known.end(), options_.comparators.begin(), options_.comparators.end());
  const auto found = std::ranges::find(known, name, &Comparator::name);
  return found == known.end() ? std::nullopt : std::optional(*found);
}

Result<Home*> Repair::add_home(KeyspaceRecord record) {
  const std::uint32_t id = record.id;
  auto order = find_order(record.comparator);
  if (!order) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("the keyspace \"{}\" is ordered by \"{}\"; give that comparator in "
                             "StoreOptions::comparators",
                             record.name, record.comparator))
        .with_path(from_.string());
  }
  Home home{.record = std::move(record), .order = *std::move(order), .sources = {}};
  return &homes_.insert_or_assign(id, std::move(home)).first->second;
}

/// A keyspace of which nothing but its number and its order is known.
KeyspaceRecord Repair::unknown_keyspace(std::uint32_t id, std::string_view comparator) const {
  KeyspaceRecord record{
      .id = id, .name = fmt::format("keyspace-{}", id), .comparator = std::string(comparator)};
  if (id == kDefaultId) {
    record.name = std::string(kDefaultKeyspace);
    if (options_.merge.has_value()) record.merge_operator = std::string(options_.merge->name());
  } else if (options_.merge_operators.size() == 1) {
    record.merge_operator = std::string(options_.merge_operators.front().name());
  }
  return record;
}

std::uint32_t Repair::next_keyspace() const {
  const std::uint32_t above = homes_.empty() ? 0 : homes_.rbegin()->first + 1;
  return std::max({above, manifest_.state().next_keyspace, std::uint32_t{1}});
}

/// The comparator that a table names; that of the default keyspace where it cannot be read.
std::string Repair::order_in(const std::filesystem::path& table) const {
  const auto header = read_table_header(file_system_, table);
  if (header) {
    const auto name = read_comparator_name(file_system_, table, *header);
    if (name) return *name;
  }
  return std::string(options_.comparator.name());
}

std::string Repair::order_in_tables(const KeyspaceRecord& keyspace) const {
  const auto table = keyspace.tables.begin();
  if (table != keyspace.tables.end()) return order_in(table_path(from_, {table->first}));
  return std::string(options_.comparator.name());
}

Status Repair::add_known_keyspaces() {
  for (const auto& [id, known] : manifest_.state().keyspaces) {
    KeyspaceRecord record = known;
    // The record that made it may be lost.
    if (record.name.empty()) {
      record = unknown_keyspace(id, order_in_tables(known));
      record.tables = known.tables;
      report_.notes.push_back(
          fmt::format("the name of keyspace {} is lost; it is called \"{}\"", id, record.name));
    }
    static_cast<void>(NACRE_TRY(add_home(std::move(record))));
  }
  return {};
}

Result<std::unique_ptr<TableBuilder>> Repair::begin_table(const Comparator& order) {
  return TableBuilder::create(file_system_, {.directory = target_->table_directory(),
                                             .id = {next_table_++},
                                             .store_uuid = target_->uuid(),
                                             .comparator = order});
}

/// Has what `builder` holds merged with the rest of `home`.
Status Repair::keep_temporary(TableBuilder& builder, Home& home, Sequence since) {
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
  for (auto& [id, home] : homes_) {
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
  return {};
}

Status Repair::take_table(const std::filesystem::path& path, TableId id, Home& home,
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

Status Repair::salvage_from(const std::filesystem::path& path, Home& home, Sequence since) {
  const auto builder = NACRE_TRY(begin_table(home.order));
  const SalvagedTable saved =
      NACRE_TRY(salvage_table(file_system_, path, *builder, report_.losses));
  if (saved.entries + saved.removals == 0) return {};
  report_.tables += 1;
  report_.damaged_tables += 1;
  return keep_temporary(*builder, home, since);
}

/// Tables that nothing names, of which the name of their comparator is all that is known.
Status Repair::take_tables_of_nobody() {
  for (const TableId id : of_nobody_) {
    const auto path = table_path(from_, id);
    const std::string comparator = order_in(path);
    Home* const home = NACRE_TRY(home_of_nobodys(id, comparator));
    NACRE_TRY(take_table(path, id, *home, {}));
  }
  return {};
}

Result<Home*> Repair::home_of_nobodys(TableId id, std::string_view comparator) {
  // The only keyspace there is, as far as anything tells.
  if (homes_.size() == 1 && homes_.begin()->second.order.name() == comparator) {
    return &homes_.begin()->second;
  }
  if (homes_.empty()) {
    report_.notes.emplace_back(
        "nothing tells whose the tables are; they were taken for those of one keyspace, the "
        "default one");
    return add_home(unknown_keyspace(kDefaultId, comparator));
  }
  KeyspaceRecord record = unknown_keyspace(next_keyspace(), comparator);
  record.name = fmt::format("salvaged-{}", id.value);
  report_.notes.push_back(
      fmt::format("nothing tells whose table {} is; it is in a keyspace of its own, \"{}\"",
                  id.value, record.name));
  return add_home(std::move(record));
}

/// Of a write's keyspace; null where it was dropped.
const Comparator* Repair::order_of(std::uint32_t keyspace) {
  const auto known = homes_.find(keyspace);
  if (known != homes_.end()) return &known->second.order;
  if (manifest_.is_whole() || manifest_.is_dropped(keyspace)) return nullptr;
  const Comparator& order = keyspace == kDefaultId ? options_.comparator : bytewise_;
  auto home = add_home(unknown_keyspace(keyspace, order.name()));
  if (!home) {
    problem_ = home.error();
    return nullptr;
  }
  report_.notes.push_back(
      fmt::format("of keyspace {} only writes in the log are left; it is called \"{}\" and "
                  "ordered by {}",
                  keyspace, (*home)->record.name, order.name()));
  return &(*home)->order;
}

Status Repair::take_log() {
  // What is in tables already is not needed, and may be of keys that were removed since.
  const Lsn above = lost_entries_ ? Lsn{} : manifest_.state().flushed_through;
  if (lost_entries_ && manifest_.state().flushed_through.value > 0) {
    report_.notes.emplace_back(
        "tables are damaged: older writes that are still in the log are taken, too, and what was "
        "removed from the store may be back");
  }
  SalvagedWrites writes([this](std::uint32_t keyspace) { return order_of(keyspace); });
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
  return {};
}

Status Repair::take_writes(SalvagedWrites& writes) {
  for (const std::uint32_t id : writes.keyspaces()) {
    Home& home = homes_.at(id);
    const auto builder = NACRE_TRY(begin_table(home.order));
    if (NACRE_TRY(writes.write(id, *builder))) NACRE_TRY(keep_temporary(*builder, home, {}));
  }
  writes.clear();
  return {};
}

Status Repair::finish() {
  if (!homes_.contains(kDefaultId)) {
    static_cast<void>(
        NACRE_TRY(add_home(unknown_keyspace(kDefaultId, options_.comparator.name()))));
  }
  ManifestState state;
  for (auto& [id, home] : homes_) {
    const auto begin = [&] { return begin_table(home.order); };
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
  state.next_keyspace = next_keyspace();
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
