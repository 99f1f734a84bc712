// Opening a store: what the manifest says, the tables it names, and what of the log is not in them.

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <thread>
#include <utility>

#include "lib/base/try.h"
#include "lib/store/keyspace_options.h"
#include "lib/store/log_replay.h"
#include "lib/store/store_core.h"
#include "lib/store/write_format.h"

namespace nacre::store {
namespace {

constexpr std::uint64_t kMinMemtableBytes = std::uint64_t{1} << 20;
constexpr std::uint64_t kMaxMemtableBytes = std::uint64_t{4} << 30;
constexpr std::uint32_t kMostLanesByDefault = 16;

Status check_options(const StoreOptions& options) {
  if (options.memtable_bytes < kMinMemtableBytes || options.memtable_bytes > kMaxMemtableBytes) {
    return Error(
        ErrorCode::kInvalidArgument,
        fmt::format("memtable_bytes is {}; give it 1 MiB to 4 GiB", options.memtable_bytes));
  }
  if (options.write_lanes > kMaxWriteLanes) {
    return Error(ErrorCode::kInvalidArgument, fmt::format("{} write lanes; choose 1 to {}, or 0",
                                                          options.write_lanes, kMaxWriteLanes));
  }
  return check_custom(options.comparator, options.merge);
}

std::uint32_t lanes_for(const StoreOptions& options, bool synchronous) {
  if (options.write_lanes != 0) return options.write_lanes;
  if (!synchronous) return 1;
  return std::clamp<std::uint32_t>(std::thread::hardware_concurrency(), 1, kMostLanesByDefault);
}

}  // namespace

StoreCore::StoreCore(wal::LaneSetHandle set, std::uint32_t lanes, StoreOptions options)
    : options_(std::move(options)),
      memory_(options_.memory_budget),
      log_(std::move(set), lanes),
      max_record_bytes_(log_.max_record_bytes()),
      table_memory_(&memory_, MemoryBudget::Part::kTables),
      unused_(file_system()),
      throttle_(executor().has_threads() ? &log_.set().environment().clock() : nullptr),
      pacer_(executor().has_threads() ? options_.merge_bytes_per_second : 0) {}

StoreCore::~StoreCore() { static_cast<void>(close()); }

std::filesystem::path StoreCore::table_directory() const {
  return log_.set().directory() / kTableDirectoryName;
}

Result<std::unique_ptr<StoreCore>> StoreCore::open(const std::filesystem::path& directory,
                                                   StoreOptions options) {
  NACRE_TRY(check_options(options));
  auto set = NACRE_TRY(wal::LaneSet::open(directory, lane_set_options(options)));
  const std::uint32_t lanes = lanes_for(options, set->environment().domain()->synchronous());
  std::unique_ptr<StoreCore> core(new StoreCore(std::move(set), lanes, std::move(options)));
  NACRE_TRY(core->recover());
  return core;
}

Status StoreCore::recover() {
  Clock& clock = log_.set().environment().clock();
  const std::uint64_t begin_ns = clock.monotonic_ns();
  ReadState state;
  Lsn flushed;
  {
    MutexLock lock(mutex_);
    NACRE_TRY(open_manifest());
    NACRE_TRY(open_keyspaces());
    state.tables = NACRE_TRY(open_tables());
    NACRE_TRY(remove_orphans());
    NACRE_TRY(open_memory(*state.tables));
    state.keyspaces = keyspace_map();
    state.active = std::make_shared<MemtableSet>(memtable_bytes_, &memory_);
    flushed = manifest_->state().flushed_through;
  }
  const std::shared_ptr<MemtableSet> active = state.active;
  const std::shared_ptr<const KeyspaceMap> keyspaces = state.keyspaces;
  background_ = std::make_unique<TaskGroup>(executor());
  states_ = std::make_unique<ReadStates>(std::move(state), [this](std::vector<ReadState> given_up) {
    free_in_background(std::move(given_up));
  });
  // Without the lock: it waits for tasks.
  recovery_.replayed_writes = NACRE_TRY(replay(flushed, *keyspaces, *active));
  MutexLock lock(mutex_);
  done_.replayed_log_bytes = active->log_bytes();
  if (active->bytes() >= memtable_bytes_) {
    seal_active();
    schedule_flush();
  }
  schedule_compaction();
  recovery_.log = log_.set().report();
  recovery_.duration_ns = recovery_.log.duration_ns + clock.monotonic_ns() - begin_ns;
  return {};
}

void StoreCore::free_in_background(std::vector<ReadState> given_up) {
  being_freed_.fetch_add(1, std::memory_order_relaxed);
  background_->run([this, states = std::move(given_up)]() mutable {
    states.clear();
    const MutexLock lock(mutex_);
    being_freed_.fetch_sub(1, std::memory_order_relaxed);
    room_.notify_all();  // Of memory, for those who wait for that.
  });
}

Status StoreCore::open_manifest() {
  manifest_ = NACRE_TRY(Manifest::open(log_.set().lane(kManifestLane)));
  if (!manifest_->is_new()) return {};
  // A store that was never written to has no manifest; one that was has begun with this.
  ManifestEdit first;
  first.new_keyspaces.push_back(
      {.id = 0,
       .name = std::string(kDefaultKeyspace),
       .comparator = std::string(options_.comparator.name()),
       .merge_operator =
           std::string(options_.merge ? options_.merge->name() : std::string_view())});
  return manifest_->commit(first);
}

Status StoreCore::open_keyspaces() {
  for (const auto& [id, keyspace] : manifest_->state().keyspaces) {
    Comparator comparator = NACRE_TRY(comparator_of(keyspace, options_, log_.set().directory()));
    auto merge = NACRE_TRY(merge_operator_of(keyspace, options_, log_.set().directory()));
    add_keyspace(id, keyspace.name, std::move(comparator), std::move(merge));
    if (keyspace.name == kDefaultKeyspace) default_keyspace_ = keyspaces_.back().get();
  }
  if (default_keyspace_ != nullptr) return {};
  return Error(ErrorCode::kCorruption, "the manifest names no default keyspace")
      .with_path(log_.set().directory().string());
}

Result<std::shared_ptr<const TableSet>> StoreCore::open_tables() {
  std::shared_ptr<const TableSet> all = std::make_shared<TableSet>();
  for (const auto& keyspace : keyspaces_) {
    auto levels = std::make_shared<KeyspaceLevels>();
    for (const auto& [id, record] : manifest_->state().keyspaces.at(keyspace->id()).tables) {
      Table::Options options = table_options(*keyspace, TableId{id});
      options.since = record.since;
      auto table = Table::open(file_system(), options);
      if (!table) return lost_if_missing(table.error());
      levels->add(record.level, *std::move(table), keyspace->comparator());
      recovery_.tables += 1;
    }
    levels->index_removals(keyspace->comparator());
    if (!levels->levels.empty()) all = all->with(keyspace->index(), std::move(levels));
  }
  next_table_.store(manifest_->state().next_table, std::memory_order_relaxed);
  return all;
}

Status StoreCore::remove_orphans() {
  std::set<std::string> named;
  for (const auto& [id, keyspace] : manifest_->state().keyspaces) {
    for (const auto& [table, record] : keyspace.tables) named.insert(table_file_name({table}));
  }
  for (const std::string& name : NACRE_TRY(file_system().list_directory(table_directory()))) {
    // What a flush or a merge has not finished, or nobody has come to refer to. What somebody else
    // has put there is not ours.
    const bool is_table =
        table_id_of(name) != TableId{} || unfinished_table_id_of(name) != TableId{};
    if (!is_table || named.contains(name)) continue;
    NACRE_TRY(file_system().remove(table_directory() / name));
    recovery_.orphans_removed += 1;
  }
  return {};
}

Result<std::uint64_t> StoreCore::replay(Lsn above, const KeyspaceMap& keyspaces,
                                        MemtableSet& into) {
  const bool in_place = log_.keeps_records_in_place();
  return replay_log(log_.set(), above, executor(), [&](const ReplayedRecord& one) -> Status {
    Bytes kept = one.record;
    if (!in_place) {
      const std::span<std::byte> copy = into.arena().allocate_bytes(one.record.size());
      std::ranges::copy(one.record, copy.begin());
      kept = copy;
    } else if (!one.pin_was_shown) {
      into.keep(one.pin);
    }
    insert_all(into, keyspaces, kept, one.sequence);
    into.add_log_bytes(one.record.size());
    return {};
  });
}

}  // namespace nacre::store
