#pragma once

// A store as a user opens it, nacre's or a peer's, behind one narrow interface, so that every row
// asks the same of each. A call through it costs all of them the same two or three nanoseconds.
//
// Thread safety: a StoreEngine may be called from any thread, a StoreSession from one. Sessions end
// before their engine.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "bench/harness.h"
#include "nacre/result.h"
#include "nacre/types.h"

namespace nacre::bench {

struct EngineSetting {
  std::filesystem::path directory;  ///< There is nothing of that name, or a store of this engine.
  /// Every put durable on the disk before it returns; else what survives a crash of the process.
  bool sync = false;
  std::uint64_t memtable_bytes = std::uint64_t{64} << 20;
  /// Keys and values the store will hold: caches and maps are made large enough for all of them.
  std::uint64_t data_bytes = 0;
  /// Of a segment of nacre's log; 0: its default.
  std::uint64_t segment_bytes = 0;
  /// StoreSession::begin will be called.
  bool transactions = false;
};

/// What a scan went over. The sum is of a byte of each value, so that values are read.
struct Scanned {
  std::uint64_t entries = 0;
  std::uint64_t sum = 0;

  void add(Bytes value) noexcept {
    entries += 1;
    sum += std::to_integer<std::uint64_t>(value.back());
  }
};

/// Reads and writes that take place together or not at all. Ends, undone, when it is destroyed.
class StoreTransaction {
 public:
  virtual ~StoreTransaction() = default;
  /// Lifetime: until the next call.
  virtual Result<std::optional<Bytes>> get(Bytes key) = 0;
  virtual Status put(Bytes key, Bytes value) = 0;
  /// Errors: `busy`: what it has read was changed meanwhile.
  virtual Status commit() = 0;
};

class StoreSession {
 public:
  virtual ~StoreSession() = default;
  virtual Status put(Bytes key, Bytes value) = 0;
  /// Lifetime: until the next call.
  virtual Result<std::optional<Bytes>> get(Bytes key) = 0;
  /// Up to `limit` entries in order, from the first that is not before `from`.
  virtual Result<Scanned> scan(Bytes from, std::uint64_t limit) = 0;
  /// All of one moment, in the way that the engine has for it; the entries that are there.
  virtual Result<Scanned> multi_get(std::span<const Bytes> keys) = 0;
  /// Null where the engine has no transactions.
  virtual Result<std::unique_ptr<StoreTransaction>> begin() {
    return std::unique_ptr<StoreTransaction>();
  }
};

class StoreEngine {
 public:
  virtual ~StoreEngine() = default;
  virtual Result<std::unique_ptr<StoreSession>> session() = 0;
  /// Everything into tables, and those merged, as far as the engine has such things.
  virtual Status settle() = 0;
};

struct StoreKind {
  std::string name;
  std::string tuning;       ///< Without what `sync` changes.
  std::string sync_tuning;  ///< What it changes.
  std::function<Result<std::unique_ptr<StoreEngine>>(const EngineSetting&)> open;

  Role role() const noexcept { return name == "nacre" ? Role::kNacre : Role::kPeer; }
};

StoreKind nacre_store();
/// With overwrite protection; none where there are no protection keys.
std::optional<StoreKind> nacre_protected_store();
StoreKind rocksdb_store();
StoreKind leveldb_store();
StoreKind lmdb_store();

/// nacre first.
inline std::vector<StoreKind> store_kinds() {
  return {nacre_store(), rocksdb_store(), leveldb_store(), lmdb_store()};
}

}  // namespace nacre::bench
