// Transaction: reads from a snapshot, writes kept aside until the commit looks whether what was
// read is still so.

#include <utility>

#include "lib/base/assert.h"
#include "lib/base/try.h"
#include "lib/store/store_core.h"
#include "lib/store/transaction_core.h"

namespace nacre {
namespace store {
namespace {

Error transaction_over() {
  return Error(ErrorCode::kClosed, "the transaction is over; begin another one");
}

TransactionCore::Key key_of(const KeyspaceCore& keyspace, Bytes key) {
  return {&keyspace, {key.begin(), key.end()}};
}

}  // namespace

TransactionCore::~TransactionCore() { end(); }

void TransactionCore::end() noexcept {
  if (std::exchange(is_over_, true)) return;
  snapshot_.reset();
  store_.key_locks().close();
}

Result<std::optional<PinnedValue>> TransactionCore::get(const KeyspaceCore& keyspace, Bytes key) {
  if (is_over_) return transaction_over();
  Key wanted = key_of(keyspace, key);
  if (const auto own = writes_.find(wanted); own != writes_.end()) {
    std::optional<PinnedValue> value;
    if (own->second.has_value()) value = PinnedValue::copy_of(*own->second);
    return value;
  }
  auto found = NACRE_TRY(store_.get(keyspace, key, at_));
  reads_.insert(std::move(wanted));
  return found;
}

void TransactionCore::write(const KeyspaceCore& keyspace, Bytes key, std::optional<Bytes> value) {
  std::optional<std::vector<std::byte>> copy;
  if (value.has_value()) copy.emplace(value->begin(), value->end());
  writes_.insert_or_assign(key_of(keyspace, key), std::move(copy));
}

KeyLocks::Mask TransactionCore::locks() const noexcept {
  KeyLocks::Mask mask = 0;
  for (const Key& key : reads_) mask |= KeyLocks::mask_of(key.first->id(), key.second);
  for (const auto& [key, value] : writes_) mask |= KeyLocks::mask_of(key.first->id(), key.second);
  return mask;
}

void StoreCore::begin_transaction() noexcept {
  key_locks_.open();
  // What began without a lock is in the snapshot that is taken next.
  log_.wait_for_begun();
}

Status StoreCore::commit(const TransactionCore& transaction, Bytes record) {
  NACRE_TRY(check_size(record));
  // Waits before it holds any lock: who makes room may wait for a writer that wants one.
  NACRE_TRY(await_room(record.size()));
  NACRE_TRY(check_writes(record));
  MemoryBudget::Reservation memory;
  if (!memory_.has_room(record.size())) memory = NACRE_TRY(reserve_memory(memory_for(record)));
  const KeyLocks::Guard locks = key_locks_.lock(transaction.locks());
  for (const auto& [keyspace, key] : transaction.reads()) {
    if (NACRE_TRY(newest_change(*keyspace, key)) > transaction.at()) {
      return Error(ErrorCode::kBusy,
                   "what the transaction has read was changed meanwhile; nothing was written; run "
                   "it again from its beginning");
    }
  }
  return append_record(record, log_.begin());
}

}  // namespace store

Transaction::Transaction(std::unique_ptr<store::TransactionCore> core) : core_(std::move(core)) {}
Transaction::Transaction(Transaction&&) noexcept = default;
Transaction& Transaction::operator=(Transaction&&) noexcept = default;
Transaction::~Transaction() = default;

store::TransactionCore& Transaction::core() const noexcept {
  NACRE_ASSERT(core_ != nullptr && "this Transaction was moved from");
  return *core_;
}

Result<std::optional<PinnedValue>> Transaction::get(Bytes key) {
  return core().get(core().store().default_keyspace(), key);
}
Result<std::optional<PinnedValue>> Transaction::get(Keyspace keyspace, Bytes key) {
  return core().get(*keyspace.core_, key);
}
void Transaction::put(Bytes key, Bytes value) {
  core().write(core().store().default_keyspace(), key, value);
}
void Transaction::put(Keyspace keyspace, Bytes key, Bytes value) {
  core().write(*keyspace.core_, key, value);
}
void Transaction::remove(Bytes key) {
  core().write(core().store().default_keyspace(), key, std::nullopt);
}
void Transaction::remove(Keyspace keyspace, Bytes key) {
  core().write(*keyspace.core_, key, std::nullopt);
}

Status Transaction::commit() {
  if (core().is_over()) return store::transaction_over();
  WriteBatch batch;
  for (const auto& [key, value] : core().writes()) {
    const Keyspace keyspace(const_cast<store::KeyspaceCore*>(key.first));
    if (value.has_value()) {
      batch.put(keyspace, key.second, *value);
    } else {
      batch.remove(keyspace, key.second);
    }
  }
  // What it only read it read as of one moment, which is when it took place.
  Status committed;
  if (batch.too_large_) {
    committed = Error(ErrorCode::kInvalidArgument,
                      "a key or a value is too large: keys have at most 64 KiB, values 16 MiB; "
                      "split the value");
  } else if (batch.count() > 0) {
    committed = core().store().commit(core(), batch.record_);
  }
  core().end();
  return committed;
}

Transaction Store::begin() {
  core().begin_transaction();
  Snapshot from = snapshot();
  const store::Sequence at{from.sequence_};
  return Transaction(std::make_unique<store::TransactionCore>(core(), std::move(from), at));
}

}  // namespace nacre
