#include <fmt/format.h>
#include <leveldb/cache.h>
#include <leveldb/db.h>
#include <leveldb/filter_policy.h>

#include <memory>
#include <string>
#include <utility>

#include "bench/store_engine.h"
#include "bench/store_peers.h"
#include "lib/base/try.h"

namespace nacre::bench {
namespace {

Status status_of(const leveldb::Status& done) {
  if (done.ok()) return {};
  return Error(ErrorCode::kIo, done.ToString());
}

class LeveldbSession final : public StoreSession {
 public:
  LeveldbSession(leveldb::DB& db, bool sync) : db_(db) { write_.sync = sync; }

  Status put(Bytes key, Bytes value) override {
    return status_of(
        db_.Put(write_, as_slice<leveldb::Slice>(key), as_slice<leveldb::Slice>(value)));
  }

  Result<std::optional<Bytes>> get(Bytes key) override {
    const leveldb::Status done = db_.Get(read_, as_slice<leveldb::Slice>(key), &found_);
    if (done.IsNotFound()) return std::optional<Bytes>();
    NACRE_TRY(status_of(done));
    return std::optional(as_bytes(found_));
  }

  Result<Scanned> scan(Bytes from, std::uint64_t limit) override {
    Scanned scanned;
    const std::unique_ptr<leveldb::Iterator> at(db_.NewIterator(read_));
    for (at->Seek(as_slice<leveldb::Slice>(from)); at->Valid() && scanned.entries < limit;
         at->Next()) {
      scanned.add(bytes_of(at->value()));
    }
    NACRE_TRY(status_of(at->status()));
    return scanned;
  }

  Result<Scanned> multi_get(std::span<const Bytes> keys) override {
    // Of one moment by a snapshot; there is no call for several keys.
    leveldb::ReadOptions read = read_;
    read.snapshot = db_.GetSnapshot();
    Scanned scanned;
    Status outcome;
    for (const Bytes key : keys) {
      const leveldb::Status done = db_.Get(read, as_slice<leveldb::Slice>(key), &found_);
      if (done.IsNotFound()) continue;
      outcome = status_of(done);
      if (!outcome) break;
      scanned.add(as_bytes(found_));
    }
    db_.ReleaseSnapshot(read.snapshot);
    NACRE_TRY(std::move(outcome));
    return scanned;
  }

 private:
  leveldb::DB& db_;
  const leveldb::ReadOptions read_;
  leveldb::WriteOptions write_;
  std::string found_;
};

class LeveldbEngine final : public StoreEngine {
 public:
  /// Errors: `io`.
  static Result<std::unique_ptr<StoreEngine>> open(const EngineSetting& setting) {
    std::unique_ptr<LeveldbEngine> engine(new LeveldbEngine(setting));
    leveldb::Options options;
    options.create_if_missing = true;
    options.write_buffer_size = setting.memtable_bytes;
    options.compression = leveldb::kNoCompression;
    options.block_cache = engine->cache_.get();
    options.filter_policy = engine->filter_.get();
    leveldb::DB* db = nullptr;
    NACRE_TRY(status_of(leveldb::DB::Open(options, setting.directory.string(), &db)));
    engine->db_.reset(db);
    return engine;
  }

  Result<std::unique_ptr<StoreSession>> session() override {
    return std::make_unique<LeveldbSession>(*db_, sync_);
  }

  Status settle() override {
    db_->CompactRange(nullptr, nullptr);
    return {};
  }

 private:
  explicit LeveldbEngine(const EngineSetting& setting)
      : sync_(setting.sync),
        cache_(leveldb::NewLRUCache(cache_bytes(setting))),
        filter_(leveldb::NewBloomFilterPolicy(kBloomBitsPerKey)) {}

  const bool sync_;
  std::unique_ptr<leveldb::Cache> cache_;
  std::unique_ptr<const leveldb::FilterPolicy> filter_;
  std::unique_ptr<leveldb::DB> db_;  // Last, so that it ends before what it uses.
};

}  // namespace

StoreKind leveldb_store() {
  const std::string tuning =
      "as large a memtable as nacre's, no compression, block cache larger than the data, Bloom "
      "filter of 10 bits; a get into one std::string";
  const std::string version = fmt::format("{}.{}", leveldb::kMajorVersion, leveldb::kMinorVersion);
  return {.name = "leveldb",
          .tuning = fmt::format("{}: no sync, {}", version, tuning),
          .sync_tuning = fmt::format("{}: WriteOptions::sync, {}", version, tuning),
          .open = LeveldbEngine::open};
}

}  // namespace nacre::bench
