#include <fmt/format.h>
#include <lmdb.h>

#include <filesystem>
#include <memory>
#include <span>
#include <utility>

#include "bench/store_engine.h"
#include "bench/store_peers.h"
#include "lib/base/try.h"

namespace nacre::bench {
namespace {

Status status_of(int code) {
  if (code == MDB_SUCCESS) return {};
  return Error(ErrorCode::kIo, mdb_strerror(code));
}

MDB_val as_val(Bytes bytes) noexcept {
  return {bytes.size(), const_cast<std::byte*>(bytes.data())};
}

Bytes bytes_of(const MDB_val& value) noexcept {
  return {static_cast<const std::byte*>(value.mv_data), value.mv_size};
}

struct EndTransaction {
  void operator()(MDB_txn* transaction) const noexcept { mdb_txn_abort(transaction); }
};
using Transaction = std::unique_ptr<MDB_txn, EndTransaction>;

Result<std::optional<Bytes>> get_in(MDB_txn* transaction, MDB_dbi table, Bytes key) {
  MDB_val wanted = as_val(key);
  MDB_val found{};
  const int code = mdb_get(transaction, table, &wanted, &found);
  if (code == MDB_NOTFOUND) return std::optional<Bytes>();
  NACRE_TRY(status_of(code));
  return std::optional(bytes_of(found));
}

Status put_in(MDB_txn* transaction, MDB_dbi table, Bytes key, Bytes value) {
  MDB_val put_key = as_val(key);
  MDB_val put_value = as_val(value);
  return status_of(mdb_put(transaction, table, &put_key, &put_value, 0));
}

/// The only one that writes: others wait, so that it is never busy.
class LmdbTransaction final : public StoreTransaction {
 public:
  LmdbTransaction(Transaction begun, MDB_dbi table) : begun_(std::move(begun)), table_(table) {}

  Result<std::optional<Bytes>> get(Bytes key) override { return get_in(begun_.get(), table_, key); }
  Status put(Bytes key, Bytes value) override { return put_in(begun_.get(), table_, key, value); }
  Status commit() override { return status_of(mdb_txn_commit(begun_.release())); }

 private:
  Transaction begun_;
  const MDB_dbi table_;
};

class LmdbSession final : public StoreSession {
 public:
  /// Errors: `io`.
  static Result<std::unique_ptr<StoreSession>> open(MDB_env* environment, MDB_dbi table) {
    MDB_txn* reading = nullptr;
    NACRE_TRY(status_of(mdb_txn_begin(environment, nullptr, MDB_RDONLY, &reading)));
    mdb_txn_reset(reading);
    return std::unique_ptr<StoreSession>(new LmdbSession(environment, table, Transaction(reading)));
  }

  Status put(Bytes key, Bytes value) override {
    end_read();  // Or its pages could not be used again.
    MDB_txn* begun = nullptr;
    NACRE_TRY(status_of(mdb_txn_begin(environment_, nullptr, 0, &begun)));
    Transaction transaction(begun);
    NACRE_TRY(put_in(begun, table_, key, value));
    return status_of(mdb_txn_commit(transaction.release()));
  }

  Result<std::optional<Bytes>> get(Bytes key) override {
    NACRE_TRY(begin_read());
    return get_in(reading_.get(), table_, key);
  }

  Result<Scanned> scan(Bytes from, std::uint64_t limit) override {
    NACRE_TRY(begin_read());
    MDB_cursor* opened = nullptr;
    NACRE_TRY(status_of(mdb_cursor_open(reading_.get(), table_, &opened)));
    const std::unique_ptr<MDB_cursor, void (*)(MDB_cursor*)> cursor(opened, mdb_cursor_close);
    Scanned scanned;
    MDB_val key = as_val(from);
    MDB_val value{};
    // An empty key cannot be looked for.
    int code = mdb_cursor_get(opened, &key, &value, from.empty() ? MDB_FIRST : MDB_SET_RANGE);
    while (code == MDB_SUCCESS && scanned.entries < limit) {
      scanned.add(bytes_of(value));
      code = mdb_cursor_get(opened, &key, &value, MDB_NEXT);
    }
    if (code != MDB_NOTFOUND) NACRE_TRY(status_of(code));
    return scanned;
  }

  Result<Scanned> multi_get(std::span<const Bytes> keys) override {
    NACRE_TRY(begin_read());
    Scanned scanned;
    for (const Bytes key : keys) {
      const auto found = NACRE_TRY(get_in(reading_.get(), table_, key));
      if (found) scanned.add(*found);
    }
    return scanned;
  }

  Result<std::unique_ptr<StoreTransaction>> begin() override {
    end_read();
    MDB_txn* begun = nullptr;
    NACRE_TRY(status_of(mdb_txn_begin(environment_, nullptr, 0, &begun)));
    return std::make_unique<LmdbTransaction>(Transaction(begun), table_);
  }

 private:
  LmdbSession(MDB_env* environment, MDB_dbi table, Transaction reading)
      : environment_(environment), table_(table), reading_(std::move(reading)) {}

  /// As of now: a reader that kept its transaction would see an old state.
  Status begin_read() {
    end_read();
    NACRE_TRY(status_of(mdb_txn_renew(reading_.get())));
    is_reading_ = true;
    return {};
  }
  void end_read() noexcept {
    if (is_reading_) mdb_txn_reset(reading_.get());
    is_reading_ = false;
  }

  MDB_env* environment_;
  MDB_dbi table_;
  Transaction reading_;
  bool is_reading_ = false;
};

class LmdbEngine final : public StoreEngine {
 public:
  /// Errors: `io`.
  static Result<std::unique_ptr<StoreEngine>> open(const EngineSetting& setting) {
    std::error_code error;
    std::filesystem::create_directory(setting.directory, error);
    MDB_env* made = nullptr;
    NACRE_TRY(status_of(mdb_env_create(&made)));
    std::unique_ptr<LmdbEngine> engine(new LmdbEngine(made));
    const unsigned fast = setting.sync ? 0U : MDB_WRITEMAP | MDB_NOSYNC;
    NACRE_TRY(status_of(mdb_env_set_mapsize(made, cache_bytes(setting) * 2)));
    NACRE_TRY(status_of(
        mdb_env_open(made, setting.directory.c_str(), MDB_NOTLS | MDB_NOMEMINIT | fast, 0600)));
    MDB_txn* transaction = nullptr;
    NACRE_TRY(status_of(mdb_txn_begin(made, nullptr, 0, &transaction)));
    Transaction opening(transaction);
    NACRE_TRY(status_of(mdb_dbi_open(transaction, nullptr, 0, &engine->table_)));
    NACRE_TRY(status_of(mdb_txn_commit(opening.release())));
    return engine;
  }

  Result<std::unique_ptr<StoreSession>> session() override {
    return LmdbSession::open(environment_.get(), table_);
  }

  Status settle() override { return {}; }

 private:
  explicit LmdbEngine(MDB_env* environment) : environment_(environment, mdb_env_close) {}

  std::unique_ptr<MDB_env, void (*)(MDB_env*)> environment_;
  MDB_dbi table_ = 0;
};

}  // namespace

StoreKind lmdb_store() {
  const std::string version =
      fmt::format("{}.{}.{}", MDB_VERSION_MAJOR, MDB_VERSION_MINOR, MDB_VERSION_PATCH);
  return {.name = "lmdb",
          .tuning = fmt::format("{}: MDB_NOSYNC, MDB_WRITEMAP, MDB_NOMEMINIT; a transaction for "
                                "each put; for each get the session's transaction renewed, so that "
                                "it sees what is newest",
                                version),
          .sync_tuning =
              fmt::format("{}: a synchronous transaction for each put, MDB_NOMEMINIT", version),
          .open = LmdbEngine::open};
}

}  // namespace nacre::bench
