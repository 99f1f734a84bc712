#include <fmt/format.h>
#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/table.h>
#include <rocksdb/utilities/optimistic_transaction_db.h>
#include <rocksdb/utilities/transaction.h>

#include <algorithm>
#include <memory>
#include <span>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "bench/store_engine.h"
#include "bench/store_peers.h"
#include "lib/base/try.h"

namespace nacre::bench {
namespace {

Status status_of(const rocksdb::Status& done) {
  if (done.ok()) return {};
  return Error(ErrorCode::kIo, done.ToString());
}

class RocksdbTransaction final : public StoreTransaction {
 public:
  RocksdbTransaction(rocksdb::OptimisticTransactionDB& db, const rocksdb::WriteOptions& write,
                     const rocksdb::ReadOptions& read)
      : read_(read), keys_(db.DefaultColumnFamily()), transaction_(db.BeginTransaction(write)) {}

  Result<std::optional<Bytes>> get(Bytes key) override {
    found_.Reset();
    // For update, so that the commit looks at what was read, as nacre's does.
    const rocksdb::Status done =
        transaction_->GetForUpdate(read_, keys_, as_slice<rocksdb::Slice>(key), &found_);
    if (done.IsNotFound()) return std::optional<Bytes>();
    NACRE_TRY(status_of(done));
    return std::optional(bytes_of(found_));
  }
  Status put(Bytes key, Bytes value) override {
    return status_of(
        transaction_->Put(as_slice<rocksdb::Slice>(key), as_slice<rocksdb::Slice>(value)));
  }
  Status commit() override {
    const rocksdb::Status done = transaction_->Commit();
    return done.IsBusy() ? Status(Error(ErrorCode::kBusy, done.ToString())) : status_of(done);
  }

 private:
  const rocksdb::ReadOptions& read_;
  rocksdb::ColumnFamilyHandle* keys_;
  const std::unique_ptr<rocksdb::Transaction> transaction_;
  rocksdb::PinnableSlice found_;
};

class RocksdbSession final : public StoreSession {
 public:
  RocksdbSession(rocksdb::DB& db, bool sync) : db_(db) { write_.sync = sync; }

  Status put(Bytes key, Bytes value) override {
    return status_of(
        db_.Put(write_, as_slice<rocksdb::Slice>(key), as_slice<rocksdb::Slice>(value)));
  }

  Result<std::optional<Bytes>> get(Bytes key) override {
    found_.Reset();
    const rocksdb::Status done =
        db_.Get(read_, db_.DefaultColumnFamily(), as_slice<rocksdb::Slice>(key), &found_);
    if (done.IsNotFound()) return std::optional<Bytes>();
    NACRE_TRY(status_of(done));
    return std::optional(bytes_of(found_));
  }

  Result<Scanned> scan(Bytes from, std::uint64_t limit) override {
    Scanned scanned;
    const std::unique_ptr<rocksdb::Iterator> at(db_.NewIterator(read_));
    for (at->Seek(as_slice<rocksdb::Slice>(from)); at->Valid() && scanned.entries < limit;
         at->Next()) {
      scanned.add(bytes_of(at->value()));
    }
    NACRE_TRY(status_of(at->status()));
    return scanned;
  }

  Result<Scanned> multi_get(std::span<const Bytes> keys) override {
    wanted_.clear();
    for (const Bytes key : keys) wanted_.push_back(as_slice<rocksdb::Slice>(key));
    values_ = std::vector<rocksdb::PinnableSlice>(keys.size());
    statuses_.resize(keys.size());
    db_.MultiGet(read_, db_.DefaultColumnFamily(), wanted_.size(), wanted_.data(), values_.data(),
                 statuses_.data());
    Scanned scanned;
    for (std::size_t i = 0; i < keys.size(); ++i) {
      if (statuses_[i].IsNotFound()) continue;
      NACRE_TRY(status_of(statuses_[i]));
      scanned.add(bytes_of(values_[i]));
    }
    return scanned;
  }

  Result<std::unique_ptr<StoreTransaction>> begin() override {
    auto* const transactional = dynamic_cast<rocksdb::OptimisticTransactionDB*>(&db_);
    if (transactional == nullptr) return std::unique_ptr<StoreTransaction>();
    return std::make_unique<RocksdbTransaction>(*transactional, write_, read_);
  }

 private:
  rocksdb::DB& db_;
  const rocksdb::ReadOptions read_;
  rocksdb::WriteOptions write_;
  rocksdb::PinnableSlice found_;
  std::vector<rocksdb::Slice> wanted_;
  std::vector<rocksdb::PinnableSlice> values_;
  std::vector<rocksdb::Status> statuses_;
};

class RocksdbEngine final : public StoreEngine {
 public:
  RocksdbEngine(std::unique_ptr<rocksdb::DB> db, bool sync) : db_(std::move(db)), sync_(sync) {}

  Result<std::unique_ptr<StoreSession>> session() override {
    return std::make_unique<RocksdbSession>(*db_, sync_);
  }

  Status settle() override {
    NACRE_TRY(status_of(db_->Flush({})));
    rocksdb::CompactRangeOptions all;
    all.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForceOptimized;
    return status_of(db_->CompactRange(all, nullptr, nullptr));
  }

 private:
  std::unique_ptr<rocksdb::DB> db_;
  const bool sync_;
};

/// As the wiki pages "Setup Options and Basic Tuning", "Data Block Hash Index" and "RocksDB Bloom
/// Filter" advise. Values of random bytes cannot be compressed, so nobody tries.
rocksdb::Options tuned_options(const EngineSetting& setting) {
  constexpr std::uint64_t kLevelStyleShare = 4;  // Of the budget, for one memtable.
  rocksdb::Options options;
  options.create_if_missing = true;
  options.IncreaseParallelism(static_cast<int>(std::max(2U, std::thread::hardware_concurrency())));
  options.OptimizeLevelStyleCompaction(setting.memtable_bytes * kLevelStyleShare);
  options.write_buffer_size = setting.memtable_bytes;
  options.compression = rocksdb::kNoCompression;
  options.compression_per_level.clear();
  options.level_compaction_dynamic_level_bytes = true;
  options.compaction_pri = rocksdb::kMinOverlappingRatio;
  options.bytes_per_sync = 1 << 20;
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = rocksdb::NewLRUCache(cache_bytes(setting));
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(kBloomBitsPerKey));
  table.data_block_index_type = rocksdb::BlockBasedTableOptions::kDataBlockBinaryAndHash;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return options;
}

Result<std::unique_ptr<rocksdb::DB>> open_db(const EngineSetting& setting) {
  const rocksdb::Options options = tuned_options(setting);
  const std::string directory = setting.directory.string();
  if (setting.transactions) {
    rocksdb::OptimisticTransactionDB* db = nullptr;
    NACRE_TRY(status_of(rocksdb::OptimisticTransactionDB::Open(options, directory, &db)));
    return std::unique_ptr<rocksdb::DB>(db);
  }
  rocksdb::DB* db = nullptr;
  NACRE_TRY(status_of(rocksdb::DB::Open(options, directory, &db)));
  return std::unique_ptr<rocksdb::DB>(db);
}

}  // namespace

StoreKind rocksdb_store() {
  const std::string tuning =
      "IncreaseParallelism, OptimizeLevelStyleCompaction with as large a memtable as nacre's, "
      "dynamic level sizes, no compression, block cache larger than the data, Bloom filter of 10 "
      "bits, hash index in data blocks; a get into a PinnableSlice";
  const std::string version = fmt::format("{}.{}", ROCKSDB_MAJOR, ROCKSDB_MINOR);
  return {.name = "rocksdb",
          .tuning = fmt::format("{}: no sync, {}", version, tuning),
          .sync_tuning = fmt::format("{}: WriteOptions::sync, {}", version, tuning),
          .open = [](const EngineSetting& setting) -> Result<std::unique_ptr<StoreEngine>> {
            return std::make_unique<RocksdbEngine>(NACRE_TRY(open_db(setting)), setting.sync);
          }};
}

}  // namespace nacre::bench
