#pragma once

// An ordered key-value store, durable at every write.
//
//   auto store = nacre::Store::open("/data/store").value();
//   nacre::Status stored = store.put(nacre::as_bytes("key"), nacre::as_bytes("value"));  // durable
//   auto value = store.get(nacre::as_bytes("key")).value();  // std::optional<nacre::PinnedValue>
//
// Thread safety: every member of Store may be called from any thread. A WriteBatch, a BulkLoad and
// a StoreIterator belong to one thread at a time. Values, iterators, snapshots, transactions and
// loads end before their Store is closed, and are used with that one alone, as keyspaces are.
//
// A process that forks keeps its store: in the child writes fail with `closed`.
//
// On-media formats: docs/format/store_record.md, docs/format/manifest.md, docs/format/table.md.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nacre/comparator.h"
#include "nacre/environment.h"
#include "nacre/merge_operator.h"
#include "nacre/result.h"
#include "nacre/store_repair.h"
#include "nacre/store_stats.h"
#include "nacre/types.h"
#include "nacre/wal.h"

namespace nacre {

namespace store {
class BulkLoadCore;
class KeyspaceCore;
class ReadStates;
class SnapshotList;
class StateReader;
class StoreCore;
class StoreCursor;
class TransactionCore;
struct StateSlot;
}  // namespace store

/// Keys are 0 to 64 KiB, values 0 to 16 MiB, both any bytes.
inline constexpr std::size_t kMaxKeyBytes = std::size_t{64} << 10;
inline constexpr std::size_t kMaxValueBytes = std::size_t{16} << 20;
/// The name of the keyspace that every store has.
inline constexpr std::string_view kDefaultKeyspace = "default";

struct KeyspaceOptions {
  Comparator comparator = Comparator::bytewise();
  /// What `merge` does; without one it is refused. Fixed when the keyspace is created.
  std::optional<MergeOperator> merge = {};
};

struct PutOptions {
  /// The value is gone so many milliseconds after it was put, by the wall clock of the store's
  /// environment. 0: it stays.
  std::uint64_t ttl_ms = 0;
};

/// A keyspace of an open store: a pointer, cheap to copy. Lifetime: until its Store is closed; once
/// the keyspace is dropped, what it is used for fails with `not_found`.
class Keyspace {
 public:
  std::string_view name() const noexcept;

 private:
  friend class Store;
  friend class StoreView;
  friend class Transaction;
  friend class WriteBatch;
  explicit Keyspace(store::KeyspaceCore* core) : core_(core) {}
  store::KeyspaceCore* core_;
};

/// Keeps what was read where it is. Lifetime: ends before its Store is closed.
class ReadPin {
 public:
  ReadPin() = default;
  ReadPin(ReadPin&& other) noexcept
      : slot_(std::exchange(other.slot_, nullptr)), stripe_(other.stripe_) {}
  ReadPin& operator=(ReadPin&& other) noexcept {
    if (this != &other) {
      reset();
      slot_ = std::exchange(other.slot_, nullptr);
      stripe_ = other.stripe_;
    }
    return *this;
  }
  ~ReadPin() { reset(); }

  void reset() noexcept {
    if (slot_ != nullptr) let_go();
  }
  bool holds() const noexcept { return slot_ != nullptr; }

 private:
  friend class store::ReadStates;
  ReadPin(store::StateSlot* slot, std::uint32_t stripe) : slot_(slot), stripe_(stripe) {}
  void let_go() noexcept;

  store::StateSlot* slot_ = nullptr;
  std::uint32_t stripe_ = 0;
};

/// A value inside the store; nothing is copied, but for one that operands were merged into.
class PinnedValue {
 public:
  PinnedValue(Bytes bytes, ReadPin pin) : bytes_(bytes), pin_(std::move(pin)) {}
  Bytes bytes() const noexcept { return bytes_; }
  std::string_view text() const noexcept { return as_text(bytes_); }
  std::string to_string() const { return std::string(text()); }

 private:
  friend class store::StateReader;
  friend class store::TransactionCore;
  static PinnedValue copy_of(Bytes bytes);

  Bytes bytes_;
  ReadPin pin_;
  std::unique_ptr<std::byte[]> own_;  // Where it is not in the store as a whole.
};

/// Writes that happen together: all of them or none, also at a crash, and no reader sees some of
/// them. Later ones win over earlier ones of the same key. Keys and values are copied.
class WriteBatch {
 public:
  /// In the default keyspace.
  void put(Bytes key, Bytes value, const PutOptions& options = {});
  void remove(Bytes key);
  /// What is in [begin, end) by then, and what was added to the batch before.
  void remove_range(Bytes begin, Bytes end);
  void merge(Bytes key, Bytes operand);
  void put(Keyspace keyspace, Bytes key, Bytes value, const PutOptions& options = {});
  void remove(Keyspace keyspace, Bytes key);
  void remove_range(Keyspace keyspace, Bytes begin, Bytes end);
  void merge(Keyspace keyspace, Bytes key, Bytes operand);

  void clear() noexcept;
  std::size_t count() const noexcept { return count_; }
  /// What the batch takes of the log, to be held against `Store::max_batch_bytes`.
  std::size_t bytes() const noexcept { return record_.size(); }

 private:
  friend class Store;
  friend class Transaction;
  void add_put(std::uint32_t keyspace, Bytes key, Bytes value, const PutOptions& options);
  void add_range(std::uint32_t keyspace, Bytes begin, Bytes end);
  void add(std::uint32_t keyspace, std::uint8_t kind, Bytes key, Bytes value);
  void add(std::uint32_t keyspace, std::uint8_t kind, Bytes key, Bytes head, Bytes value);
  std::vector<std::byte> record_;
  std::vector<std::size_t> ttl_offsets_;  // Where a time to live stands for when it ends.
  std::size_t count_ = 0;
  bool too_large_ = false;  // A key or value that no store takes.
};

/// The store as it was at one moment. Lifetime: ends before its Store is closed. Cheap to take; an
/// old one keeps from being dropped what it alone can see.
class Snapshot {
 public:
  Snapshot(Snapshot&& other) noexcept
      : list_(std::exchange(other.list_, nullptr)), sequence_(other.sequence_) {}
  Snapshot& operator=(Snapshot&& other) noexcept;
  ~Snapshot();

 private:
  friend class Store;
  Snapshot(store::SnapshotList* list, std::uint64_t sequence) : list_(list), sequence_(sequence) {}
  store::SnapshotList* list_;
  std::uint64_t sequence_;
};

struct ReadOptions {
  /// Reads as of then; null: as of the call. Borrowed.
  const Snapshot* snapshot = nullptr;
  /// Iterators alone: no key before `lower_bound` is shown, none from `upper_bound` on, and none
  /// that does not begin with `prefix`. Copied. A prefix costs nothing where the comparator is one
  /// of nacre's own; with a custom one all keys between the bounds are looked at.
  std::optional<Bytes> lower_bound = {};
  std::optional<Bytes> upper_bound = {};
  Bytes prefix = {};
};

/// Walks the keys of a keyspace in their order, as they were when it was made. Stands nowhere at
/// first: seek. Lifetime: ends before its Store is closed. Thread: one at a time.
class StoreIterator {
 public:
  StoreIterator(StoreIterator&&) noexcept;
  StoreIterator& operator=(StoreIterator&&) noexcept;
  ~StoreIterator();

  void seek_first();
  void seek_last();
  /// To the first key that is not before `key`, or the last one that is not behind it.
  void seek(Bytes key);
  void seek_for_prev(Bytes key);
  /// REQUIRES: valid().
  void next();
  void prev();

  /// False behind the last key, before the first, and after an error.
  bool valid() const noexcept;
  /// Why it is not valid, if not for want of keys. Errors: `corruption`, `io`; both name the file;
  /// `closed`, `not_found` (of a store or a keyspace that was so when the iterator was made).
  Status status() const;
  /// REQUIRES: valid(). Lifetime: until the iterator is moved.
  Bytes key() const noexcept;
  Bytes value() const noexcept;

 private:
  friend class Store;
  friend class StoreView;
  explicit StoreIterator(std::unique_ptr<store::StoreCursor> cursor);
  store::StoreCursor& cursor() const noexcept;
  std::unique_ptr<store::StoreCursor> cursor_;
};

/// Reads and writes that happen as one: what it reads is of the moment at which it began, but for
/// what it wrote itself; what it writes happens at `commit`, and only if nothing that it read has
/// been changed since. To drop it takes it back. Keys that were not looked up by `get` do not count
/// as read, and a value that expires does not count as changed. While any transaction is open,
/// every write of the store costs a little more; an old one costs what an old snapshot does.
/// Lifetime: ends before its Store is closed. Thread: one at a time.
class Transaction {
 public:
  Transaction(Transaction&&) noexcept;
  Transaction& operator=(Transaction&&) noexcept;
  ~Transaction();

  /// Errors: as Store::get; `closed` (the transaction is over).
  Result<std::optional<PinnedValue>> get(Bytes key);
  Result<std::optional<PinnedValue>> get(Keyspace keyspace, Bytes key);
  /// Keys and values are copied; what is wrong with them `commit` says.
  void put(Bytes key, Bytes value);
  void put(Keyspace keyspace, Bytes key, Bytes value);
  void remove(Bytes key);
  void remove(Keyspace keyspace, Bytes key);

  /// The transaction is over afterwards, whatever becomes of it.
  /// Durability: as Store::put; all of it or nothing. Errors: `busy` (something that it read was
  /// changed; nothing has happened: run all of it again), `closed`, and as Store::write.
  Status commit();

 private:
  friend class Store;
  explicit Transaction(std::unique_ptr<store::TransactionCore> core);
  store::TransactionCore& core() const noexcept;
  std::unique_ptr<store::TransactionCore> core_;
};

/// Many pairs in the order of their keys, written straight into tables, past the log and the
/// memtables: the fastest way into a store. Nothing of it is seen before `commit`, and then all of
/// it at once, also after a crash. To drop it takes it back.
/// Lifetime: ends before its Store is closed. Thread: one at a time; others may write meanwhile.
class BulkLoad {
 public:
  BulkLoad(BulkLoad&&) noexcept;
  BulkLoad& operator=(BulkLoad&&) noexcept;
  ~BulkLoad();

  /// The next pair, whose key is behind the one before it by the keyspace's comparator.
  /// Durability: none yet. Errors: `invalid_argument` (out of order, twice the same key, or too
  /// large: the pair is left out, and the load goes on); then nothing can be added any more, and
  /// nothing is left of the load: `no_space`, `io`, `closed`, `not_found` (a dropped keyspace).
  Status add(Bytes key, Bytes value);

  /// The pairs take the place of whatever was written to their keys before, and what is written
  /// later takes theirs; a snapshot taken earlier does not see them. Where the newest writes of the
  /// store, those that are not in tables yet, are among their keys, memtables are flushed for it,
  /// and writers wait at the end for as long as that takes for what came in meanwhile:
  /// milliseconds. The load is over afterwards.
  /// Durability: durable on success, in the sense of the domain. Errors: `no_space`, `closed` (also
  /// when it was committed before), `not_found` (a dropped keyspace), and that of an `add` that
  /// ended the load: nothing has happened; `io`: all of it has, or nothing, which opening the store
  /// again tells.
  Status commit();

 private:
  friend class Store;
  explicit BulkLoad(std::unique_ptr<store::BulkLoadCore> core);
  store::BulkLoadCore& core() const noexcept;
  std::unique_ptr<store::BulkLoadCore> core_;
};

struct StoreOptions {
  /// Bytes of the newest writes that are kept in the log and the memtable over it, until they go
  /// into a table: 1 MiB to 4 GiB.
  std::uint64_t memtable_bytes = std::uint64_t{64} << 20;
  /// DRAM in bytes that all memtables may take together, those included that are being written into
  /// tables or that old readers keep, and with them what open tables and tables being written take;
  /// not the log where it is mapped. 0: no bound but `memtable_bytes`. 16 MiB at least. Memtables
  /// are sealed early enough for four of them; near the bound writers are slowed, and at the bound
  /// they wait for tables to be written, and fail with `no_space` when that would not help. Opening
  /// a store may take more, until what its log held is in tables.
  std::uint64_t memory_budget = 0;
  /// Lanes of the log, 1 to 64: so many writers append at once. 0: one for each processor, up to
  /// 16, and one alone in the block domain, where writers share their device writes.
  std::uint32_t write_lanes = 0;
  /// Bytes of one segment file of the log; see WalOptions. Fixed when the store is created.
  std::uint64_t segment_bytes = 0;
  std::uint32_t spare_segments = 1;
  /// Bytes a second that merging tables in the background may read and write together, so that
  /// others find the media free; 0: no bound. Not held to while tables pile up so that writers are
  /// slowed, nor where the environment's executor has no threads.
  std::uint64_t merge_bytes_per_second = 0;
  DomainRequest domain = DomainRequest::kAuto;
  IoEngine io_engine = IoEngine::kAuto;
  /// Mapped segments of the log are protected against stray stores; see WalOptions. (Tables are
  /// never mapped for writing.)
  bool overwrite_protection = false;
  /// The order of the default keyspace. Fixed when the store is created.
  Comparator comparator = Comparator::bytewise();
  /// The custom orders of the other keyspaces there are.
  std::vector<Comparator> comparators = {};
  /// The merge operator of the default keyspace. Fixed when the store is created.
  std::optional<MergeOperator> merge = {};
  /// Those of the other keyspaces there are.
  std::vector<MergeOperator> merge_operators = {};
  Environment environment = {};
};

/// What opening a store found and did.
struct StoreRecovery {
  RecoveryReport log;
  std::uint64_t replayed_writes = 0;  ///< Put back into the memtable.
  std::uint64_t tables = 0;
  std::uint64_t orphans_removed = 0;  ///< Files of an interrupted flush or compaction.
  std::uint64_t duration_ns = 0;
};

class Store {
 public:
  /// Opens the store in `directory`, creating it (and the directory, but not its parents) when
  /// there is none. Recovers.
  /// Errors: as Wal::open; `invalid_argument` also for a comparator or a merge operator of another
  /// name than the stored one, and for a memory budget that is too small, with the least that would
  /// do; `corruption` also of manifest and tables.
  static Result<Store> open(const std::filesystem::path& directory, StoreOptions options = {});
  /// Saves what there is of the damaged store in `from`, which is only read, into a new store in
  /// `to`: every record whose checksum holds, of tables, of damaged ones too, and of the log. Where
  /// the manifest is damaged, tables are taken that nothing names. What could not be saved stands
  /// in the report. The new store has a UUID of its own. `options`: those of the new store, with
  /// the comparators of all keyspaces. Meanwhile `from` is locked, where its media can be written
  /// to. Durability, and what becomes of `to`: as `checkpoint`. Errors: of `from`: `busy` (somebody
  /// has it open), `not_found` (no store is there), `invalid_argument` (a log of another kind; a
  /// comparator is missing), `unsupported` (a newer format); of `to`: as `checkpoint`, `no_space`,
  /// `io`.
  static Result<RepairReport> repair(const std::filesystem::path& from,
                                     const std::filesystem::path& to, StoreOptions options = {});
  Store(Store&&) noexcept;
  Store& operator=(Store&&) noexcept;
  /// Closes; an error is lost. Call `close` to see it.
  ~Store();

  /// Durability: durable, in the sense of the domain, on success.
  /// Errors: `invalid_argument` (key or value too large), `no_space` (of the media or of memory:
  /// nothing has happened; reads go on, and writes do when there is room), `io`, `closed`,
  /// `not_found` (a dropped keyspace).
  Status put(Bytes key, Bytes value);
  Status put(Keyspace keyspace, Bytes key, Bytes value);
  /// Success, too, when there is no such key. Durability, errors: as `put`.
  Status remove(Bytes key);
  Status remove(Keyspace keyspace, Bytes key);
  /// With a time to live; see PutOptions. Durability, errors: as above.
  Status put(Bytes key, Bytes value, const PutOptions& options);
  Status put(Keyspace keyspace, Bytes key, Bytes value, const PutOptions& options);
  /// Removes every key from `begin` up to but not including `end`, at the cost of one write. Reads
  /// of the keyspace cost a little more until compaction has carried it out.
  /// Durability, errors: as `put`; `invalid_argument` also when `begin` is not before `end`.
  Status remove_range(Bytes begin, Bytes end);
  Status remove_range(Keyspace keyspace, Bytes begin, Bytes end);
  /// Has the keyspace's merge operator apply `operand` to the value of `key`: when it is read, or
  /// in the background. Nothing is read now.
  /// Durability, errors: as `put`; `invalid_argument` also where there is no merge operator.
  Status merge(Bytes key, Bytes operand);
  Status merge(Keyspace keyspace, Bytes key, Bytes operand);
  /// Durability, errors: as `put`, and as what is in it; `invalid_argument` also for a batch that
  /// is empty, or longer than `max_batch_bytes`.
  Status write(const WriteBatch& batch);

  /// The value of `key`, or none. Errors: `corruption`, `io`; both name the file.
  Result<std::optional<PinnedValue>> get(Bytes key, const ReadOptions& options = {}) const;
  Result<std::optional<PinnedValue>> get(Keyspace keyspace, Bytes key,
                                         const ReadOptions& options = {}) const;
  /// What `get` says of each of `keys`, in their order, all of it as of one moment: cheaper by the
  /// key the more of them there are. Errors: as `get`; then none is shown.
  Result<std::vector<std::optional<PinnedValue>>> multi_get(std::span<const Bytes> keys,
                                                            const ReadOptions& options = {}) const;
  Result<std::vector<std::optional<PinnedValue>>> multi_get(Keyspace keyspace,
                                                            std::span<const Bytes> keys,
                                                            const ReadOptions& options = {}) const;
  StoreIterator iterate(const ReadOptions& options = {}) const;
  StoreIterator iterate(Keyspace keyspace, const ReadOptions& options = {}) const;
  Snapshot snapshot() const;
  /// An optimistic transaction: it locks nothing while it is open, and may have to be run again.
  Transaction begin();

  /// A load of sorted pairs, into the default keyspace or another one.
  BulkLoad begin_bulk_load();
  BulkLoad begin_bulk_load(Keyspace keyspace);

  Keyspace default_keyspace() const noexcept;
  /// Errors: `busy` (there is one of that name), `invalid_argument` (a name that is empty, longer
  /// than 255 bytes, or has other characters than letters, digits, '.', '_' and '-'; the name of a
  /// comparator or of a merge operator that is refused).
  /// Durability: durable on success.
  Result<Keyspace> create_keyspace(std::string_view name, KeyspaceOptions options = {});
  /// Errors: `not_found`, `closed`.
  Result<Keyspace> keyspace(std::string_view name) const;
  /// Their names; none once the store is closed.
  std::vector<std::string> keyspaces() const;
  /// With all that is in it. Durability: durable on success. Errors: `not_found`,
  /// `invalid_argument` (the default one).
  Status drop_keyspace(Keyspace keyspace);

  /// Writes what the memtables hold into tables, and waits for it. Durability changes nothing.
  Status flush();

  /// Merges all tables of a keyspace, and waits for it. What is in memtables stays there.
  /// Errors: `no_space`, `io`, `corruption`, `closed`; nothing is lost then.
  Status compact();
  Status compact(Keyspace keyspace);

  /// Makes `target` a store of its own that holds all that this one did at one moment, which is not
  /// before the call; others go on writing meanwhile. Memtables are flushed for it. Tables, which
  /// never change, are linked where the file system can, so that they take no further space, else
  /// copied. The copy has this store's UUID, and its directory's domain, chosen as this one's was.
  /// `target` is made, but not its parents. Until it is whole it is called `target`.unfinished;
  /// what a crash leaves of that goes with the next checkpoint to the same `target`.
  /// Durability: durable on success, in the sense of the domain. After an error this store is as it
  /// was, and so is `target`, unless it was the last step that failed, the sync of its parent: then
  /// it is there, whole, and a crash may take its name away. Errors: as `flush`; `busy` (there is
  /// something in `target`, or somebody is making it), `invalid_argument` (it is a file),
  /// `not_found` (its parent is not there), `unsupported` (its directory does not have the domain
  /// that was asked for).
  Status checkpoint(const std::filesystem::path& target);

  /// What there is at this moment, and what has happened since the opening. Costs a look at each
  /// table's header, in memory; nothing that reads or writes is slowed. Errors: `closed`.
  Result<StoreStats> stats() const;
  /// The same as text for Prometheus, with the log's; see docs/metrics.md. Empty once closed.
  std::string metrics() const;
  /// About how many bytes the entries in [begin, end) take in tables, old versions and removals
  /// included; what is in memtables alone is not counted. 0 when `begin` is not before `end`.
  /// Errors: `corruption`, `io`; both name the file; `closed`, `not_found` (a dropped keyspace).
  Result<std::uint64_t> approximate_size(Bytes begin, Bytes end) const;
  Result<std::uint64_t> approximate_size(Keyspace keyspace, Bytes begin, Bytes end) const;

  std::size_t max_batch_bytes() const noexcept;
  const StoreRecovery& recovery() const noexcept;
  const DomainInfo& domain() const noexcept;

  /// Idempotent. Errors: the first that the background met.
  /// Thread: when the store is not used any more.
  Status close();

 private:
  explicit Store(std::unique_ptr<store::StoreCore> core);
  store::StoreCore& core() const noexcept;
  std::unique_ptr<store::StoreCore> core_;
};

}  // namespace nacre
