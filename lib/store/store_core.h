#pragma once

// An open store: its log, its manifest, what reads look into, and the work in the background that
// takes memtables into tables.
//
// A write is appended to the log, which makes it durable, and then put into the memtable of the
// stretch of the log that it fell into. A full memtable is sealed at an LSN: what has a lower one
// still goes into it, what has a higher one into the next.
//
// Lock order: key locks, `mutex_`, then those of lanes and of the read states. `mutex_` is held for
// changes of what there is, and never while a table is written.
//
// Thread safety: every member may be called from any thread, but for `open` and `close`.

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lib/base/thread_annotations.h"
#include "lib/store/compaction_picker.h"
#include "lib/store/key_locks.h"
#include "lib/store/key_versions.h"
#include "lib/store/keyspace_core.h"
#include "lib/store/manifest.h"
#include "lib/store/memory_budget.h"
#include "lib/store/memtable_set.h"
#include "lib/store/merge_pacer.h"
#include "lib/store/read_samples.h"
#include "lib/store/read_states.h"
#include "lib/store/snapshot_list.h"
#include "lib/store/state_reader.h"
#include "lib/store/table_builder.h"
#include "lib/store/table_set.h"
#include "lib/store/unused_tables.h"
#include "lib/store/write_log.h"
#include "lib/store/write_throttle.h"
#include "nacre/executor.h"
#include "nacre/result.h"
#include "nacre/store.h"

namespace nacre::store {

/// `not_found`.
Error keyspace_dropped(std::string_view name);
/// `invalid_argument`.
Error no_merge_operator(std::string_view keyspace);
/// `closed`.
Error store_closed();
/// Puts the writes of a record into memtables. What it says lies in `record`, which is kept.
void insert_all(MemtableSet& set, const KeyspaceMap& keyspaces, Bytes record, Sequence sequence);
/// `invalid_argument`: a key or a value that no store takes.
Status check_sizes(std::size_t key_bytes, std::size_t value_bytes);

class BulkLoadCore;

/// What became of tables that were to be installed.
struct InstallResult {
  Status status = {};
  /// After an error: nothing speaks of the tables, which may be removed.
  bool is_unchanged = true;
};

class StoreCore {
 public:
  static Result<std::unique_ptr<StoreCore>> open(const std::filesystem::path& directory,
                                                 StoreOptions options);
  ~StoreCore();
  StoreCore(const StoreCore&) = delete;
  StoreCore& operator=(const StoreCore&) = delete;

  // store_write.cc. Errors: as nacre::Store::put and nacre::Store::write.
  Status write(const KeyspaceCore& keyspace, EntryKind kind, Bytes key, Bytes value);
  Status write_batch(Bytes record);

  // store_read.cc
  Result<std::optional<PinnedValue>> get(const KeyspaceCore& keyspace, Bytes key,
                                         Sequence at) const;
  Result<std::vector<std::optional<PinnedValue>>> multi_get(const KeyspaceCore& keyspace,
                                                            std::span<const Bytes> keys,
                                                            std::optional<Sequence> at) const;
  std::unique_ptr<StoreCursor> iterate(const KeyspaceCore& keyspace, std::optional<Sequence> at,
                                       const ReadOptions& options) const;
  /// The sequence of the newest write or removal of `key`; 0 when nothing is known of it.
  Result<Sequence> newest_change(const KeyspaceCore& keyspace, Bytes key) const;
  Sequence newest_snapshot() const;
  std::uint64_t now_ms() const;
  std::uint64_t monotonic_ns() const;
  SnapshotList& snapshots() const noexcept { return snapshots_; }

  // transaction.cc
  /// What it reads is of a snapshot that is taken behind this.
  void begin_transaction() noexcept;
  KeyLocks& key_locks() noexcept { return key_locks_; }
  /// Errors: as nacre::Transaction::commit.
  Status commit(const TransactionCore& transaction, Bytes record);

  // store_keyspaces.cc
  Result<KeyspaceCore*> create_keyspace(std::string_view name, const KeyspaceOptions& options);
  Result<KeyspaceCore*> find_keyspace(std::string_view name) const;
  std::vector<std::string> keyspace_names() const;
  Status drop_keyspace(KeyspaceCore& keyspace);
  KeyspaceCore& default_keyspace() const noexcept { return *default_keyspace_; }

  // store_flush.cc
  Status flush();

  // store_bulk_load.cc
  std::unique_ptr<BulkLoadCore> begin_bulk_load(const KeyspaceCore& keyspace);
  /// For a load: a table of its own, which nobody else knows before all of them are installed.
  Result<std::unique_ptr<TableBuilder>> begin_table(const KeyspaceCore& keyspace);
  void remove_table(TableId id) noexcept;
  Result<std::shared_ptr<Table>> open_loaded(const KeyspaceCore& keyspace, TableId id);
  InstallResult install_loaded(const KeyspaceCore& keyspace,
                               std::span<const std::shared_ptr<Table>> tables) EXCLUDES(mutex_);
  /// Not below any write that can be seen.
  Sequence newest_sequence() const noexcept;
  bool is_closing() const noexcept { return closing_.load(std::memory_order_relaxed); }

  // store_stats.cc. Errors: as nacre::Store::stats and nacre::Store::approximate_size.
  Result<StoreStats> stats() const;
  std::string metrics() const;
  Result<std::uint64_t> approximate_size(const KeyspaceCore& keyspace, Bytes begin,
                                         Bytes end) const;

  // store_checkpoint.cc. Errors: as nacre::Store::checkpoint.
  Status checkpoint(const std::filesystem::path& target);

  // store_compact.cc
  /// Merges all tables of `keyspace` into its lowest level.
  Status compact(const KeyspaceCore& keyspace);

  std::size_t max_batch_bytes() const noexcept { return max_record_bytes_; }
  const StoreRecovery& recovery() const noexcept { return recovery_; }
  MemoryBudget& memory() noexcept { return memory_; }
  const DomainInfo& domain() const noexcept { return log_.set().domain(); }
  Status close();

 private:
  StoreCore(wal::LaneSetHandle set, std::uint32_t lanes, StoreOptions options);

  FileSystem& file_system() const noexcept { return log_.set().environment().file_system(); }
  Executor& executor() const noexcept { return log_.set().environment().executor(); }
  std::filesystem::path table_directory() const;

  Table::Options table_options(const KeyspaceCore& keyspace, TableId id) const;

  StoreOptions options_of_copy() const;

  // store_open.cc
  Status recover();
  Status open_manifest() REQUIRES(mutex_);
  Status open_keyspaces() REQUIRES(mutex_);
  Result<std::shared_ptr<const TableSet>> open_tables() REQUIRES(mutex_);
  Status remove_orphans() REQUIRES(mutex_);
  /// Returns how many writes of the log went into `into`.
  Result<std::uint64_t> replay(Lsn above, const KeyspaceMap& keyspaces, MemtableSet& into)
      EXCLUDES(mutex_);
  void free_in_background(std::vector<ReadState> given_up);

  // store_memory.cc
  /// A table that a merge or a load has made so large takes no further key.
  std::uint64_t table_bytes() const noexcept;
  Status open_memory(const TableSet& tables) REQUIRES(mutex_);
  MemoryBudget::Need memory_for(Bytes key, Bytes value);
  MemoryBudget::Need memory_for(Bytes record);
  Result<MemoryBudget::Reservation> reserve_memory(const MemoryBudget::Need& need);
  Result<bool> await_memory(std::uint64_t times_given_back) EXCLUDES(mutex_);
  bool readers_let_go(std::uint64_t times_given_back) const EXCLUDES(mutex_);

  // store_read.cc
  StateReader reader() const;
  /// What there is, and where in it a reader stands who wants to see all of one moment: `at`, or
  /// now.
  std::pair<ReadPin, Sequence> pin_moment(std::optional<Sequence> at) const;

  // store_write.cc
  Status await_room(std::size_t bytes);
  Status check_size(Bytes record) const;
  Status check_writes(Bytes record) const;
  template <class Mask>
  InFlight::Write begin_write(KeyLocks::Guard& locks, Mask&& mask);
  Status append_record(Bytes record, InFlight::Write under_way);
  ReadPin pin_for(Lsn lsn, MemtableSet*& set) const;
  static Bytes keep(MemtableSet& set, const LoggedWrite& logged, Bytes bytes, std::size_t offset);

  // store_keyspaces.cc
  KeyspaceCore& add_keyspace(std::uint32_t id, std::string name, Comparator comparator,
                             std::optional<MergeOperator> merge) REQUIRES(mutex_);
  std::shared_ptr<const KeyspaceMap> keyspace_map() const REQUIRES(mutex_);

  // store_flush.cc
  void seal(const MemtableSet& full) EXCLUDES(mutex_);
  /// Returns up to where the writes go into what has been sealed.
  Lsn seal_active() REQUIRES(mutex_);
  Status await_flushed(Lsn last) EXCLUDES(mutex_);
  void schedule_flush() REQUIRES(mutex_);
  void flush_in_background() EXCLUDES(mutex_);
  Status flush_set(const std::shared_ptr<MemtableSet>& set) EXCLUDES(mutex_);
  KeyVersions::Options version_options(const KeyspaceCore& keyspace) const;
  Result<TableHandle> write_table(const KeyspaceCore& keyspace, const MemtableSet& set)
      EXCLUDES(mutex_);
  using FlushedTables = std::vector<std::pair<KeyspaceCore*, TableHandle>>;
  Result<FlushedTables> write_tables(const MemtableSet& set) EXCLUDES(mutex_);
  Status commit_flushed(const MemtableSet& set, const FlushedTables& tables) REQUIRES(mutex_);
  void publish(ReadState next) REQUIRES(mutex_);
  void install(const std::shared_ptr<MemtableSet>& flushed, std::shared_ptr<const TableSet> tables)
      REQUIRES(mutex_);

  // store_bulk_load.cc
  std::optional<InstallResult> install_above_memtables(
      const KeyspaceCore& keyspace, std::span<const std::shared_ptr<Table>> tables)
      EXCLUDES(mutex_);
  InstallResult install_behind_flush(const KeyspaceCore& keyspace,
                                     std::span<const std::shared_ptr<Table>> tables)
      EXCLUDES(mutex_);
  InstallResult install_at(Sequence moment, const KeyspaceCore& keyspace,
                           std::span<const std::shared_ptr<Table>> tables,
                           WriteLog::Barrier& barrier) EXCLUDES(mutex_);

  // store_compact.cc
  void schedule_compaction() REQUIRES(mutex_);
  void compact_in_background() EXCLUDES(mutex_);
  void end_compacting() REQUIRES(mutex_);
  struct Work {
    const KeyspaceCore* keyspace = nullptr;
    Compaction compaction;
  };
  std::optional<Work> pick_work() REQUIRES(mutex_);
  Status merge(const KeyspaceCore& keyspace, const Compaction& compaction) EXCLUDES(mutex_);
  Result<std::vector<TableHandle>> open_made(const KeyspaceCore& keyspace,
                                             const std::vector<TableInfo>& made);
  Status install_merged(const KeyspaceCore& keyspace, const Compaction& compaction,
                        const std::vector<TableHandle>& made) EXCLUDES(mutex_);
  void pace_merge(std::uint64_t bytes) EXCLUDES(mutex_);

  const StoreOptions options_;
  MemoryBudget memory_;
  mutable WriteLog log_;
  KeyLocks key_locks_;
  const std::size_t max_record_bytes_;
  mutable SnapshotList snapshots_;
  StoreRecovery recovery_;
  KeyspaceCore* default_keyspace_ = nullptr;

  mutable Mutex mutex_;
  std::optional<Manifest> manifest_ GUARDED_BY(mutex_);
  std::vector<std::unique_ptr<KeyspaceCore>> keyspaces_ GUARDED_BY(mutex_);  // By index.
  MemoryCharge table_memory_ GUARDED_BY(mutex_);
  std::uint64_t memtable_bytes_ GUARDED_BY(mutex_) = 0;  // As many as the budget allows.
  bool flushing_ GUARDED_BY(mutex_) = false;
  bool compacting_ GUARDED_BY(mutex_) = false;
  const Work* merging_ GUARDED_BY(mutex_) = nullptr;  // Null: nothing is being merged.
  CondVar room_;    // Told when a set has been flushed, or could not be.
  CondVar merged_;  // Told when no merge runs any more.
  std::optional<Error> flush_error_ GUARDED_BY(mutex_);  // Of the last attempt, as the next.
  std::optional<Error> merge_error_ GUARDED_BY(mutex_);
  bool closed_ GUARDED_BY(mutex_) = false;

  double flushed_bytes_per_second_ GUARDED_BY(mutex_) = 0;  // Of log and memory, lately.
  /// What `stats` tells of the background, and of the records whose memtables have gone.
  struct Done {
    std::uint64_t flushes = 0;
    std::uint64_t flushed_bytes = 0;
    std::uint64_t flushed_log_bytes = 0;
    std::uint64_t replayed_log_bytes = 0;
    std::uint64_t merges = 0;
    std::uint64_t merged_bytes = 0;
    std::uint64_t loads = 0;
    std::uint64_t loaded_bytes = 0;
    std::uint64_t loaded_raw_bytes = 0;
  };
  Done done_ GUARDED_BY(mutex_);
  /// Counted on the way to sleep.
  std::atomic<std::uint64_t> slowed_writes_{0};
  std::atomic<std::uint64_t> slowed_ns_{0};
  std::atomic<std::uint64_t> stopped_writes_{0};

  UnusedTables unused_;
  WriteThrottle throttle_;
  MergePacer pacer_;  // Of the one merge that runs.
  mutable ReadSamples read_samples_;
  std::atomic<std::uint64_t> next_table_{1};
  std::atomic<std::uint64_t> loads_{0};  // Bulk loads that every reader has to see.
  std::atomic<bool> closing_{false};
  std::atomic<std::size_t> sealed_{0};             // Sets that are still to be flushed.
  std::atomic<std::uint64_t> flushed_through_{0};  // LSNs up to here are in tables.
  std::atomic<std::uint32_t> being_freed_{0};      // Who still holds memtables, and lets go soon.
  std::atomic<bool> flush_failed_{false};          // The last attempt has; see `flush_error_`.
  mutable std::unique_ptr<ReadStates> states_;
  std::unique_ptr<TaskGroup> background_;  // Last, so that its tasks end before what they use.
};

}  // namespace nacre::store
