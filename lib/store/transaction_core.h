#pragma once

// What a Transaction has read and will write.
//
// Thread safety: one thread at a time.

#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "lib/store/entry.h"
#include "lib/store/key_locks.h"
#include "lib/store/keyspace_core.h"
#include "nacre/result.h"
#include "nacre/store.h"

namespace nacre::store {

class TransactionCore {
 public:
  /// Borrows `store`, which has opened it among its key locks.
  TransactionCore(StoreCore& store, Snapshot snapshot, Sequence at)
      : store_(store), snapshot_(std::move(snapshot)), at_(at) {}
  ~TransactionCore();
  TransactionCore(const TransactionCore&) = delete;
  TransactionCore& operator=(const TransactionCore&) = delete;

  /// Errors, here and below: as of Transaction.
  Result<std::optional<PinnedValue>> get(const KeyspaceCore& keyspace, Bytes key);
  /// None: a removal.
  void write(const KeyspaceCore& keyspace, Bytes key, std::optional<Bytes> value);

  using Key = std::pair<const KeyspaceCore*, std::vector<std::byte>>;
  const std::set<Key>& reads() const noexcept { return reads_; }
  const std::map<Key, std::optional<std::vector<std::byte>>>& writes() const noexcept {
    return writes_;
  }
  Sequence at() const noexcept { return at_; }
  StoreCore& store() const noexcept { return store_; }
  /// The locks of all keys that were read or are to be written.
  KeyLocks::Mask locks() const noexcept;
  bool is_over() const noexcept { return is_over_; }
  /// Nothing can be read or written any more; what it read from is let go.
  void end() noexcept;

 private:
  StoreCore& store_;
  std::optional<Snapshot> snapshot_;
  const Sequence at_;
  std::set<Key> reads_;
  std::map<Key, std::optional<std::vector<std::byte>>> writes_;
  bool is_over_ = false;
};

}  // namespace nacre::store
