// Tables are merged in the background, one merge at a time.

#include <algorithm>
#include <utility>

#include "lib/base/try.h"
#include "lib/store/compaction.h"
#include "lib/store/store_core.h"

namespace nacre::store {
namespace {

/// A merge that is held up looks this often whether it still has to be.
constexpr std::uint64_t kLongestNapNs = 10'000'000;

}  // namespace

std::optional<StoreCore::Work> StoreCore::pick_work() {
  const ReadState& newest = states_->newest();
  for (const auto& [id, keyspace] : *newest.keyspaces) {
    const KeyspaceLevels* levels = newest.tables->find(keyspace->index());
    if (levels == nullptr) continue;
    auto picked = pick_compaction(*levels, keyspace->comparator(), LevelLimits{});
    if (picked.has_value()) return Work{.keyspace = keyspace, .compaction = *std::move(picked)};
  }
  return {};
}

void StoreCore::schedule_compaction() {
  if (compacting_ || closed_ || !pick_work().has_value()) return;
  compacting_ = true;
  background_->run([this] { compact_in_background(); });
}

void StoreCore::compact_in_background() {
  while (true) {
    std::optional<Work> work;
    {
      MutexLock lock(mutex_);
      if (!closed_) work = pick_work();
      if (!work.has_value()) {
        end_compacting();
        return;
      }
      merging_ = &*work;
    }
    const Status merged = merge(*work->keyspace, work->compaction);
    MutexLock lock(mutex_);
    merging_ = nullptr;
    // Of a keyspace that was dropped meanwhile nothing is left to be merged.
    if (merged || work->keyspace->is_dropped()) {
      merge_error_.reset();
      continue;
    }
    // It is tried again with the next flush. Nothing is lost meanwhile; reads look into more
    // tables.
    end_compacting();
    if (merged.error().code() != ErrorCode::kClosed) merge_error_ = merged.error();
    return;
  }
}

Status StoreCore::compact(const KeyspaceCore& keyspace) {
  // Without threads nobody else runs what is scheduled.
  if (!executor().has_threads()) background_->wait();
  Work work{.keyspace = &keyspace, .compaction = {}};
  {
    MutexLock lock(mutex_);
    while (compacting_ && !closed_) merged_.wait(mutex_);
    if (closed_) return store_closed();
    if (keyspace.is_dropped()) return keyspace_dropped(keyspace.name());
    const KeyspaceLevels* levels = states_->newest().tables->find(keyspace.index());
    auto picked = levels == nullptr ? std::nullopt : pick_everything(*levels);
    if (!picked.has_value()) return {};
    work.compaction = *std::move(picked);
    merging_ = &work;
    compacting_ = true;
  }
  const Status merged = merge(keyspace, work.compaction);
  MutexLock lock(mutex_);
  end_compacting();
  schedule_compaction();
  return merged;
}

/// While tables pile up a merge runs as fast as it can, and what it moves then is not held against
/// it later.
void StoreCore::pace_merge(std::uint64_t bytes) {
  if (!pacer_.is_on() || throttle_.is_behind()) return;
  Clock& clock = log_.set().environment().clock();
  pacer_.take(bytes, clock.monotonic_ns());
  MutexLock lock(mutex_);
  while (!closed_ && !throttle_.is_behind()) {
    const std::uint64_t wait_ns = pacer_.wait_ns(clock.monotonic_ns());
    if (wait_ns == 0) return;
    // The clock need not be the one that threads sleep by.
    merged_.wait_for(mutex_, std::min(wait_ns, kLongestNapNs));
  }
}

void StoreCore::end_compacting() {
  compacting_ = false;
  merging_ = nullptr;
  merged_.notify_all();
}

Status StoreCore::merge(const KeyspaceCore& keyspace, const Compaction& compaction) {
  if (compaction.is_move) return install_merged(keyspace, compaction, compaction.upper);
  CompactionRun run(compaction, keyspace.comparator(),
                    {.begin_table = [&] { return begin_table(keyspace); },
                     .table_bytes = table_bytes(),
                     .versions = version_options(keyspace),
                     .is_cancelled = [this] { return closing_.load(std::memory_order_relaxed); },
                     .pace = [this](std::uint64_t bytes) { pace_merge(bytes); }});
  const auto make = [&]() -> Result<std::vector<TableHandle>> {
    return open_made(keyspace, NACRE_TRY(run.run()));
  };
  const auto tables = make();
  if (!tables) {
    for (const TableInfo& made : run.made()) {
      static_cast<void>(file_system().remove(table_directory() / table_file_name(made.id)));
    }
    return tables.error();
  }
  if (const Status installed = install_merged(keyspace, compaction, *tables); !installed) {
    // After other errors the manifest may speak of either: all of them stay, and what turns out to
    // be an orphan goes when the store is opened.
    const ErrorCode code = installed.error().code();
    if (code == ErrorCode::kNoSpace || code == ErrorCode::kNotFound) unused_.remove(*tables);
    return installed;
  }
  unused_.remove(compaction.upper);
  unused_.remove(compaction.lower);
  return {};
}

/// Their names must be durable before the manifest speaks of them.
Result<std::vector<TableHandle>> StoreCore::open_made(const KeyspaceCore& keyspace,
                                                      const std::vector<TableInfo>& made) {
  std::vector<TableHandle> tables;
  for (const TableInfo& info : made) {
    tables.push_back(NACRE_TRY(Table::open(file_system(), table_options(keyspace, info.id))));
  }
  NACRE_TRY(file_system().sync_directory(table_directory()));
  return tables;
}

Status StoreCore::install_merged(const KeyspaceCore& keyspace, const Compaction& compaction,
                                 const std::vector<TableHandle>& made) {
  MutexLock lock(mutex_);
  if (keyspace.is_dropped()) return keyspace_dropped(keyspace.name());
  ManifestEdit edit;
  const auto record = [&](const TableHandle& table) {
    return ManifestEdit::Table{.keyspace = keyspace.id(),
                               .table = {.id = table->info().id.value,
                                         .level = compaction.to_level,
                                         .file_bytes = table->info().file_bytes,
                                         .since = table->since()}};
  };
  ReadState next = states_->newest();
  auto levels = std::make_shared<KeyspaceLevels>(*next.tables->find(keyspace.index()));
  for (const auto* inputs : {&compaction.upper, &compaction.lower}) {
    for (const TableHandle& table : *inputs) {
      edit.removed_tables.push_back(record(table));
      levels->remove(table->info().id);
    }
  }
  for (const TableHandle& table : made) {
    edit.new_tables.push_back(record(table));
    levels->add(compaction.to_level, table, keyspace.comparator());
  }
  levels->index_removals(keyspace.comparator());
  NACRE_TRY(manifest_->commit(edit));
  if (!compaction.is_move) {
    done_.merges += 1;
    for (const TableHandle& table : made) done_.merged_bytes += table->info().file_bytes;
  }
  next.tables = next.tables->with(keyspace.index(), std::move(levels));
  publish(std::move(next));
  return {};
}

}  // namespace nacre::store
