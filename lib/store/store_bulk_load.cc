// Tables that were loaded become part of the store, as if all they hold were written at one moment:
// above every write that can be seen by then, and below every other one.

#include <algorithm>
#include <utility>

#include "lib/base/try.h"
#include "lib/store/bulk_load.h"
#include "lib/store/store_core.h"

namespace nacre::store {
namespace {

/// Whether the set removes a range of the keyspace that has keys among those of the tables.
bool removes_keys_among(const MemtableSet& set, const KeyspaceCore& keyspace,
                        std::span<const std::shared_ptr<Table>> tables) {
  const Comparator& order = keyspace.comparator();
  const std::vector<RangeRemoval> removals = set.range_removals(keyspace);
  return std::ranges::any_of(removals, [&](const RangeRemoval& removal) {
    return std::ranges::any_of(tables, [&](const std::shared_ptr<Table>& table) {
      return order(removal.begin, table->info().largest_key) <= 0 &&
             order(table->info().smallest_key, removal.end) < 0;
    });
  });
}

/// Whether the set holds a key of the keyspace among those of the tables.
bool has_keys_among(const MemtableSet& set, const KeyspaceCore& keyspace,
                    std::span<const std::shared_ptr<Table>> tables) {
  if (removes_keys_among(set, keyspace, tables)) return true;
  const Memtable* memtable = set.find(keyspace.index());
  if (memtable == nullptr) return false;
  return std::ranges::any_of(tables, [&](const std::shared_ptr<Table>& table) {
    Memtable::Cursor cursor(*memtable);
    cursor.seek(table->info().smallest_key);
    return cursor.valid() && keyspace.comparator()(cursor.key(), table->info().largest_key) <= 0;
  });
}

bool has_keys_among(const ReadState& state, const KeyspaceCore& keyspace,
                    std::span<const std::shared_ptr<Table>> tables) {
  if (has_keys_among(*state.active, keyspace, tables)) return true;
  return std::ranges::any_of(
      state.sealed, [&](const auto& set) { return has_keys_among(*set, keyspace, tables); });
}

}  // namespace

Sequence StoreCore::newest_sequence() const noexcept { return Sequence::through(log_.newest()); }

std::unique_ptr<BulkLoadCore> StoreCore::begin_bulk_load(const KeyspaceCore& keyspace) {
  return std::make_unique<BulkLoadCore>(*this, keyspace, table_bytes());
}

void StoreCore::remove_table(TableId id) noexcept {
  // What cannot be removed now is removed as an orphan when the store opens.
  static_cast<void>(file_system().remove(table_directory() / table_file_name(id)));
}

Result<std::shared_ptr<Table>> StoreCore::open_loaded(const KeyspaceCore& keyspace, TableId id) {
  return Table::open_apart(file_system(), table_options(keyspace, id));
}

/// Reads look into memtables before tables, and a flush takes what a memtable has of a key to be
/// all there is since the oldest of it. So no memtable may hold an older version of a key that is
/// in `tables` when they are installed, nor an older removal of it; where one does, it is flushed
/// first: once beside the writers, and then what has come meanwhile, while they wait.
InstallResult StoreCore::install_loaded(const KeyspaceCore& keyspace,
                                        std::span<const std::shared_ptr<Table>> tables) {
  if (states_ == nullptr) return {.status = store_closed()};
  if (tables.empty()) return {};
  // Their names must be durable before the manifest speaks of them.
  if (Status synced = file_system().sync_directory(table_directory()); !synced) {
    return {.status = std::move(synced)};
  }
  if (auto installed = install_above_memtables(keyspace, tables)) return *std::move(installed);
  if (Status flushed = flush(); !flushed) return {.status = std::move(flushed)};
  return install_behind_flush(keyspace, tables);
}

/// Nothing where memtables are in the way.
std::optional<InstallResult> StoreCore::install_above_memtables(
    const KeyspaceCore& keyspace, std::span<const std::shared_ptr<Table>> tables) {
  // A transaction that has found what it read unchanged has to have written before this moment.
  const KeyLocks::Guard locks = key_locks_.lock(KeyLocks::kAll);
  std::optional<WriteLog::Barrier> barrier;
  Sequence moment{};
  {
    MutexLock lock(mutex_);
    barrier.emplace(log_);
    const Lsn last{log_.newest().value + 1};
    log_.raise(last);
    moment = Sequence::through(last);
    barrier->decide(moment);
  }
  barrier->wait_for_earlier();
  {
    const ReadPin pin = states_->pin();
    if (has_keys_among(ReadStates::state(pin), keyspace, tables)) return {};
  }
  return install_at(moment, keyspace, tables, *barrier);
}

InstallResult StoreCore::install_behind_flush(const KeyspaceCore& keyspace,
                                              std::span<const std::shared_ptr<Table>> tables) {
  const KeyLocks::Guard locks = key_locks_.lock(KeyLocks::kAll);
  std::optional<WriteLog::Barrier> barrier;
  Lsn last{};
  {
    MutexLock lock(mutex_);
    if (closed_) return {.status = store_closed()};
    barrier.emplace(log_);
    last = seal_active();
    barrier->decide(Sequence::through(last));
    schedule_flush();
  }
  if (Status flushed = await_flushed(last); !flushed) return {.status = std::move(flushed)};
  return install_at(Sequence::through(last), keyspace, tables, *barrier);
}

InstallResult StoreCore::install_at(Sequence moment, const KeyspaceCore& keyspace,
                                    std::span<const std::shared_ptr<Table>> tables,
                                    WriteLog::Barrier& barrier) {
  MutexLock lock(mutex_);
  if (closed_) return {.status = store_closed()};
  if (keyspace.is_dropped()) return {.status = keyspace_dropped(keyspace.name())};
  ReadState next = states_->newest();
  const KeyspaceLevels* before = next.tables->find(keyspace.index());
  auto levels = before == nullptr ? std::make_shared<KeyspaceLevels>()
                                  : std::make_shared<KeyspaceLevels>(*before);
  const Compaction* merging =
      merging_ != nullptr && merging_->keyspace == &keyspace ? &merging_->compaction : nullptr;
  std::uint64_t bytes = 0;
  std::uint64_t raw_bytes = 0;
  for (const auto& table : tables) {
    bytes += table->info().file_bytes;
    raw_bytes += table->info().raw_bytes;
  }
  ManifestEdit edit;
  for (const std::shared_ptr<Table>& table : tables) {
    table->date(moment);
    const std::uint32_t level =
        level_for_load(*levels, merging, keyspace.comparator(), *table, bytes, LevelLimits{});
    edit.new_tables.push_back({.keyspace = keyspace.id(),
                               .table = {.id = table->info().id.value,
                                         .level = level,
                                         .file_bytes = table->info().file_bytes,
                                         .since = moment}});
    levels->add(level, table, keyspace.comparator());
  }
  if (Status committed = manifest_->commit(edit); !committed) {
    const bool is_unchanged = committed.error().code() == ErrorCode::kNoSpace;
    return {.status = std::move(committed), .is_unchanged = is_unchanged};
  }
  done_.loads += 1;
  done_.loaded_bytes += bytes;
  done_.loaded_raw_bytes += raw_bytes;
  levels->index_removals(keyspace.comparator());
  next.tables = next.tables->with(keyspace.index(), std::move(levels));
  next.loads += 1;
  const std::uint64_t loads = next.loads;
  publish(std::move(next));
  loads_.store(loads, std::memory_order_seq_cst);
  barrier.pass();
  schedule_compaction();
  return {};
}

}  // namespace nacre::store
