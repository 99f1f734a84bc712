// Sealed memtables go into tables, in the background and in the order of the log.

#include <algorithm>
#include <utility>

#include "lib/base/try.h"
#include "lib/store/key_versions.h"
#include "lib/store/removal_fragments.h"
#include "lib/store/store_core.h"
#include "lib/store/table_builder.h"

namespace nacre::store {
namespace {

/// LSNs that may be drawn while a set is being sealed, and still fall into it. The bound is looked
/// at again, so it need not be right.
constexpr std::uint64_t kSealMargin = 4096;

/// With so many tables in level 0 writers are as slow as they get.
constexpr std::size_t kMostLevel0Tables = 24;

template <class Covering>
Status write_entries(TableBuilder& to, const Memtable& memtable, KeyVersions versions,
                     Covering&& covering) {
  Memtable::Cursor cursor(memtable);
  for (cursor.seek_first(); cursor.valid(); cursor.next()) {
    versions.begin_key(covering(cursor.key()));
    for (const Version* version = cursor.version(); version != nullptr;
         version = memtable.older(*version)) {
      versions.add({.key = cursor.key(),
                    .sequence = version->sequence(),
                    .kind = version->kind(),
                    .value = version->value()});
    }
    for (const Entry& kept : versions.finish()) NACRE_TRY(to.add(kept));
  }
  return {};
}

}  // namespace

void StoreCore::seal(const MemtableSet& full) {
  MutexLock lock(mutex_);
  if (states_->newest().active.get() != &full) return;  // Somebody was faster.
  seal_active();
  schedule_flush();
}

Lsn StoreCore::seal_active() {
  const ReadState& newest = states_->newest();
  const std::shared_ptr<MemtableSet> full = newest.active;
  // The set's end is told before anybody can draw an LSN behind it: who has one, and finds no set
  // that takes it, waits for the next set, which comes right below.
  Lsn last;
  do {
    last = Lsn{log_.newest().value + kSealMargin};
    full->end_at(last);
  } while (log_.newest() > last);
  log_.raise(last);
  ReadState next{.active = std::make_shared<MemtableSet>(memtable_bytes_, &memory_),
                 .sealed = {full},
                 .tables = newest.tables,
                 .keyspaces = newest.keyspaces,
                 .loads = newest.loads};
  next.sealed.insert(next.sealed.end(), newest.sealed.begin(), newest.sealed.end());
  publish(std::move(next));
  return last;
}

/// Writers are slowed by what is to be done before reads are as fast as they should be.
void StoreCore::publish(ReadState next) {
  std::size_t level0_tables = 0;
  for (const auto& [id, keyspace] : *next.keyspaces) {
    const KeyspaceLevels* levels = next.tables->find(keyspace->index());
    if (levels == nullptr || levels->levels.empty()) continue;
    level0_tables = std::max(level0_tables, levels->levels[0].size());
  }
  table_memory_.set(next.tables->memory_bytes());
  const double unwritten =
      static_cast<double>(next.sealed.size()) / static_cast<double>(kMaxSealed);
  const double unmerged =
      static_cast<double>(level0_tables) / static_cast<double>(kMostLevel0Tables);
  throttle_.set(std::max(unwritten, unmerged), flushed_bytes_per_second_);
  sealed_.store(next.sealed.size(), std::memory_order_relaxed);
  states_->publish(std::move(next));
  room_.notify_all();
}

void StoreCore::schedule_flush() {
  flush_failed_.store(false, std::memory_order_relaxed);
  if (flushing_ || closed_) return;
  flushing_ = true;
  background_->run([this] { flush_in_background(); });
}

void StoreCore::flush_in_background() {
  while (true) {
    std::shared_ptr<MemtableSet> oldest;
    {
      MutexLock lock(mutex_);
      const ReadState& newest = states_->newest();
      if (newest.sealed.empty() || closed_) {
        flushing_ = false;
        return;
      }
      oldest = newest.sealed.back();
      being_freed_.fetch_add(1, std::memory_order_relaxed);
    }
    const Status flushed = flush_set(oldest);
    oldest.reset();
    MutexLock lock(mutex_);
    being_freed_.fetch_sub(1, std::memory_order_relaxed);
    room_.notify_all();
    if (flushed) {
      flush_error_.reset();
      continue;
    }
    flush_error_ = flushed.error();
    flush_failed_.store(true, std::memory_order_relaxed);
    room_.notify_all();
    flushing_ = false;
    return;
  }
}

Table::Options StoreCore::table_options(const KeyspaceCore& keyspace, TableId id) const {
  return {.directory = table_directory(),
          .id = id,
          .store_uuid = log_.set().superblock().uuid,
          .comparator = keyspace.comparator()};
}

Result<std::unique_ptr<TableBuilder>> StoreCore::begin_table(const KeyspaceCore& keyspace) {
  const TableId id{next_table_.fetch_add(1, std::memory_order_relaxed)};
  const auto& merge = keyspace.merge();
  TableOwner owner{.keyspace = keyspace.id(),
                   .name = keyspace.name(),
                   .merge_operator = std::string(merge ? merge->name() : "")};
  return TableBuilder::create(file_system(), {.directory = table_directory(),
                                              .id = id,
                                              .store_uuid = log_.set().superblock().uuid,
                                              .owner = std::move(owner),
                                              .comparator = keyspace.comparator(),
                                              .budget = &memory_});
}

KeyVersions::Options StoreCore::version_options(const KeyspaceCore& keyspace) const {
  return {.held = snapshots_.held(),
          .now_ms = now_ms(),
          .merge = keyspace.merge().has_value() ? &*keyspace.merge() : nullptr};
}

/// Null when the set holds nothing of the keyspace.
Result<TableHandle> StoreCore::write_table(const KeyspaceCore& keyspace, const MemtableSet& set) {
  const Memtable* memtable = set.find(keyspace.index());
  const std::vector<RangeRemoval> removals = set.range_removals(keyspace);
  if ((memtable == nullptr || memtable->entries() == 0) && removals.empty()) return TableHandle();
  auto builder = NACRE_TRY(begin_table(keyspace));
  const KeyVersions::Options options = version_options(keyspace);
  const RemovalFragments fragments(removals, keyspace.comparator());
  if (memtable != nullptr) {
    NACRE_TRY(write_entries(*builder, *memtable, KeyVersions(options), [&](Bytes key) {
      return fragments.covering(key, keyspace.comparator());
    }));
  }
  for (const RemovalFragment& fragment : fragments.all()) {
    for (const Sequence sequence : removals_to_keep(fragment, options.held, false)) {
      NACRE_TRY(builder->add_range_removal(fragment.begin, fragment.end, sequence));
    }
  }
  const TableInfo made = NACRE_TRY(builder->finish());
  auto table = Table::open(file_system(), table_options(keyspace, made.id));
  if (!table) static_cast<void>(file_system().remove(table_directory() / table_file_name(made.id)));
  return table;
}

/// One for each keyspace that the set holds anything of. After an error there are none.
Result<StoreCore::FlushedTables> StoreCore::write_tables(const MemtableSet& set) {
  FlushedTables tables;
  const auto write_all = [&]() -> Status {
    const ReadPin pin = states_->pin();
    for (const auto& [id, keyspace] : *ReadStates::state(pin).keyspaces) {
      TableHandle table = NACRE_TRY(write_table(*keyspace, set));
      if (table != nullptr) tables.emplace_back(keyspace, std::move(table));
    }
    // The tables' names must be durable before the manifest speaks of them.
    return tables.empty() ? Status() : file_system().sync_directory(table_directory());
  };
  if (const Status written = write_all(); !written) {
    for (const auto& [keyspace, table] : tables) unused_.remove({table});
    return written.error();
  }
  return tables;
}

Status StoreCore::commit_flushed(const MemtableSet& set, const FlushedTables& tables) {
  ManifestEdit edit;
  edit.flushed_through = set.last();
  for (const auto& [keyspace, table] : tables) {
    if (keyspace->is_dropped()) continue;
    edit.new_tables.push_back(
        {.keyspace = keyspace->id(),
         .table = {
             .id = table->info().id.value, .level = 0, .file_bytes = table->info().file_bytes}});
  }
  const Status committed = manifest_->commit(edit);
  const bool is_unchanged = !committed && committed.error().code() == ErrorCode::kNoSpace;
  for (const auto& [keyspace, table] : tables) {
    // After any other error the manifest may speak of them: what turns out to be an orphan goes
    // when the store is opened.
    if (is_unchanged || (committed && keyspace->is_dropped())) unused_.remove({table});
  }
  return committed;
}

Status StoreCore::flush_set(const std::shared_ptr<MemtableSet>& set) {
  // Whoever has drawn an LSN of this set has to have put its write there.
  log_.wait_through(set->last());
  Clock& clock = log_.set().environment().clock();
  const std::uint64_t begin_ns = clock.monotonic_ns();
  const FlushedTables tables = NACRE_TRY(write_tables(*set));
  {
    MutexLock lock(mutex_);
    NACRE_TRY(commit_flushed(*set, tables));
    auto all = states_->newest().tables;
    for (const auto& [keyspace, table] : tables) {
      if (keyspace->is_dropped()) continue;
      const KeyspaceLevels* before = all->find(keyspace->index());
      auto levels = before == nullptr ? std::make_shared<KeyspaceLevels>()
                                      : std::make_shared<KeyspaceLevels>(*before);
      levels->add(0, table, keyspace->comparator());
      done_.flushed_bytes += table->info().file_bytes;
      levels->index_removals(keyspace->comparator());
      all = all->with(keyspace->index(), std::move(levels));
    }
    const double seconds = static_cast<double>(clock.monotonic_ns() - begin_ns + 1) / 1e9;
    flushed_bytes_per_second_ = static_cast<double>(set->bytes()) / seconds;
    done_.flushes += 1;
    done_.flushed_log_bytes += set->log_bytes();
    install(set, std::move(all));
    schedule_compaction();
  }
  // Only now, with the tables in the manifest, may their stretch of the log go.
  return log_.truncate(set->last());
}

void StoreCore::install(const std::shared_ptr<MemtableSet>& flushed,
                        std::shared_ptr<const TableSet> tables) {
  ReadState next = states_->newest();
  std::erase(next.sealed, flushed);
  next.tables = std::move(tables);
  flushed_through_.store(flushed->last().value, std::memory_order_relaxed);
  publish(std::move(next));
}

Status StoreCore::close() {
  {
    MutexLock lock(mutex_);
    if (closed_) return {};
    closed_ = true;
    closing_.store(true, std::memory_order_relaxed);
    room_.notify_all();
    merged_.notify_all();
  }
  if (background_ != nullptr) background_->wait();
  // What the memtables hold is in the log, and goes into memtables again.
  states_.reset();
  const Status closed = log_.close();
  MutexLock lock(mutex_);
  for (const auto& error : {flush_error_, merge_error_}) {
    if (error.has_value()) return *error;
  }
  return closed;
}

Status StoreCore::flush() {
  Lsn last{};
  {
    MutexLock lock(mutex_);
    if (closed_) return store_closed();
    if (!states_->newest().active->is_empty()) seal_active();
    const auto& sealed = states_->newest().sealed;
    if (sealed.empty()) return {};
    // What others write meanwhile is not waited for.
    last = sealed.front()->last();
    schedule_flush();
  }
  return await_flushed(last);
}

Status StoreCore::await_flushed(Lsn last) {
  executor().run_until([this, last] {
    return flushed_through_.load(std::memory_order_relaxed) >= last.value ||
           flush_failed_.load(std::memory_order_relaxed);
  });
  MutexLock lock(mutex_);
  return flush_error_.has_value() ? Status(*flush_error_) : Status();
}

}  // namespace nacre::store
