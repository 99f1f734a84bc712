#include <fmt/format.h>
#include <leveldb/db.h>
#include <lmdb.h>
#include <rocksdb/db.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstring>
#include <memory>
#include <string_view>
#include <utility>

#include "bench/commit_contenders.h"
#include "lib/base/try.h"

namespace nacre::bench {
namespace {

constexpr std::size_t kPageBytes = 4096;

/// Keys in ascending order, 8 bytes: the cheapest order for every ordered store.
std::array<char, 8> ascending_key(std::uint64_t count) noexcept {
  std::array<char, 8> key;
  const std::uint64_t big_endian = __builtin_bswap64(count);
  std::memcpy(key.data(), &big_endian, key.size());
  return key;
}

template <class Slice>
Slice as_slice(Bytes bytes) noexcept {
  const std::string_view text = as_text(bytes);
  return Slice(text.data(), text.size());
}

Error lmdb_error(int code) { return Error(ErrorCode::kIo, mdb_strerror(code)); }

/// One put in a transaction of its own.
Status lmdb_put_one(MDB_env* environment, std::uint64_t count, Bytes payload) {
  MDB_txn* transaction = nullptr;
  if (int code = mdb_txn_begin(environment, nullptr, 0, &transaction); code != 0) {
    return lmdb_error(code);
  }
  MDB_dbi table = 0;
  std::array<char, 8> key = ascending_key(count);
  MDB_val mdb_key{key.size(), key.data()};
  MDB_val mdb_value{payload.size(), const_cast<std::byte*>(payload.data())};
  int code = mdb_dbi_open(transaction, nullptr, 0, &table);
  if (code == 0) code = mdb_put(transaction, table, &mdb_key, &mdb_value, 0);
  if (code != 0) {
    mdb_txn_abort(transaction);
    return lmdb_error(code);
  }
  code = mdb_txn_commit(transaction);
  if (code != 0) return lmdb_error(code);
  return {};
}

}  // namespace

Contender pwrite_fdatasync(const Setting& setting, std::size_t threads) {
  return {
      "pwrite_fdatasync", Role::kPeer,
      "100 bytes appended by pwrite to a preallocated and written file, fdatasync each; with "
      "more threads all to one file",
      [=]() -> Result<Measure> {
        struct State {
          ScratchDirectory directory;
          Descriptor file;
          Payloads payloads{kCommitPayloadBytes};
          std::atomic<std::uint64_t> count = 0;
          State(ScratchDirectory d, Descriptor f) : directory(std::move(d)), file(std::move(f)) {}
        };
        ScratchDirectory directory = NACRE_TRY(scratch_on_disk(setting));
        Descriptor file =
            NACRE_TRY(create_written_file(directory.path() / "file", commit_file_bytes(setting)));
        auto state = std::make_shared<State>(std::move(directory), std::move(file));
        return Measure([=](Nanoseconds slice) {
          return measure_threads(threads, slice, [&](std::size_t) -> Status {
            const std::uint64_t count = state->count.fetch_add(1, std::memory_order_relaxed);
            const Bytes payload = state->payloads.at(count);
            const std::uint64_t at =
                count % (commit_file_bytes(setting) / kCommitPayloadBytes) * kCommitPayloadBytes;
            if (pwrite(state->file.get(), payload.data(), payload.size(), static_cast<off_t>(at)) !=
                    static_cast<ssize_t>(payload.size()) ||
                fdatasync(state->file.get()) != 0) {
              return errno_error("pwrite and fdatasync");
            }
            return {};
          });
        });
      }};
}

Contender msync_pages(const Setting& setting, std::size_t threads) {
  return {
      "msync", Role::kPeer,
      "100 bytes copied into a mapping of a preallocated and written file, msync of their pages; "
      "with more threads all in one mapping",
      [=]() -> Result<Measure> {
        struct State {
          ScratchDirectory directory;
          MappedFile file;
          Payloads payloads{kCommitPayloadBytes};
          std::atomic<std::uint64_t> count = 0;
          State(ScratchDirectory d, MappedFile f) : directory(std::move(d)), file(std::move(f)) {}
        };
        ScratchDirectory directory = NACRE_TRY(scratch_on_disk(setting));
        MappedFile file =
            NACRE_TRY(MappedFile::create(directory.path() / "file", commit_file_bytes(setting)));
        auto state = std::make_shared<State>(std::move(directory), std::move(file));
        return Measure([=](Nanoseconds slice) {
          return measure_threads(threads, slice, [&](std::size_t) -> Status {
            const std::uint64_t count = state->count.fetch_add(1, std::memory_order_relaxed);
            const Bytes payload = state->payloads.at(count);
            const std::size_t at =
                count % (commit_file_bytes(setting) / kCommitPayloadBytes) * kCommitPayloadBytes;
            std::byte* to = state->file.bytes().data() + at;
            std::memcpy(to, payload.data(), payload.size());
            const std::size_t in_page = at % kPageBytes;
            if (msync(to - in_page, in_page + payload.size(), MS_SYNC) != 0) {
              return errno_error("msync");
            }
            return {};
          });
        });
      }};
}

Contender rocksdb_put(const Setting& setting, std::size_t threads) {
  return {"rocksdb", Role::kPeer,
          fmt::format("{}.{}: Put of 8 B -> 100 B, ascending keys, WriteOptions::sync, otherwise "
                      "the defaults (group commit is on)",
                      ROCKSDB_MAJOR, ROCKSDB_MINOR),
          [=]() -> Result<Measure> {
            struct State {
              ScratchDirectory directory;
              std::unique_ptr<rocksdb::DB> db;
              Payloads payloads{kCommitPayloadBytes};
              std::atomic<std::uint64_t> count = 0;
              State(ScratchDirectory d, rocksdb::DB* opened)
                  : directory(std::move(d)), db(opened) {}
            };
            ScratchDirectory directory = NACRE_TRY(scratch_on_disk(setting));
            rocksdb::Options options;
            options.create_if_missing = true;
            rocksdb::DB* db = nullptr;
            const rocksdb::Status opened =
                rocksdb::DB::Open(options, (directory.path() / "db").string(), &db);
            if (!opened.ok()) return Error(ErrorCode::kIo, opened.ToString());
            auto state = std::make_shared<State>(std::move(directory), db);
            const auto put = [=](std::size_t) -> Status {
              rocksdb::WriteOptions write;
              write.sync = true;
              const std::uint64_t count = state->count.fetch_add(1, std::memory_order_relaxed);
              const std::array<char, 8> key = ascending_key(count);
              const rocksdb::Status done =
                  state->db->Put(write, rocksdb::Slice(key.data(), key.size()),
                                 as_slice<rocksdb::Slice>(state->payloads.at(count)));
              if (!done.ok()) return Error(ErrorCode::kIo, done.ToString());
              return {};
            };
            return Measure([=](Nanoseconds slice) { return measure_threads(threads, slice, put); });
          }};
}

Contender leveldb_put(const Setting& setting, std::size_t threads) {
  return {"leveldb", Role::kPeer,
          fmt::format("{}.{}: Put of 8 B -> 100 B, ascending keys, WriteOptions::sync, otherwise "
                      "the defaults",
                      leveldb::kMajorVersion, leveldb::kMinorVersion),
          [=]() -> Result<Measure> {
            struct State {
              ScratchDirectory directory;
              std::unique_ptr<leveldb::DB> db;
              Payloads payloads{kCommitPayloadBytes};
              std::atomic<std::uint64_t> count = 0;
              State(ScratchDirectory d, leveldb::DB* opened)
                  : directory(std::move(d)), db(opened) {}
            };
            ScratchDirectory directory = NACRE_TRY(scratch_on_disk(setting));
            leveldb::Options options;
            options.create_if_missing = true;
            leveldb::DB* db = nullptr;
            const leveldb::Status opened =
                leveldb::DB::Open(options, (directory.path() / "db").string(), &db);
            if (!opened.ok()) return Error(ErrorCode::kIo, opened.ToString());
            auto state = std::make_shared<State>(std::move(directory), db);
            return Measure([=](Nanoseconds slice) {
              return measure_threads(threads, slice, [&](std::size_t) -> Status {
                leveldb::WriteOptions write;
                write.sync = true;
                const std::uint64_t count = state->count.fetch_add(1, std::memory_order_relaxed);
                const std::array<char, 8> key = ascending_key(count);
                const leveldb::Status done =
                    state->db->Put(write, leveldb::Slice(key.data(), key.size()),
                                   as_slice<leveldb::Slice>(state->payloads.at(count)));
                if (!done.ok()) return Error(ErrorCode::kIo, done.ToString());
                return {};
              });
            });
          }};
}

Contender lmdb_put(const Setting& setting, std::size_t threads) {
  return {"lmdb", Role::kPeer,
          fmt::format("{}.{}.{}: Put of 8 B -> 100 B, ascending keys, a synchronous transaction "
                      "each, default flags, 1 GiB map",
                      MDB_VERSION_MAJOR, MDB_VERSION_MINOR, MDB_VERSION_PATCH),
          [=]() -> Result<Measure> {
            struct State {
              ScratchDirectory directory;
              std::unique_ptr<MDB_env, void (*)(MDB_env*)> environment;
              Payloads payloads{kCommitPayloadBytes};
              std::atomic<std::uint64_t> count = 0;
              State(ScratchDirectory d, MDB_env* made)
                  : directory(std::move(d)), environment(made, mdb_env_close) {}
            };
            ScratchDirectory directory = NACRE_TRY(scratch_on_disk(setting));
            MDB_env* environment = nullptr;
            int code = mdb_env_create(&environment);
            if (code != 0) return lmdb_error(code);
            auto state = std::make_shared<State>(std::move(directory), environment);
            code = mdb_env_set_mapsize(environment, std::size_t{1} << 30);
            if (code == 0) {
              code = mdb_env_open(environment, state->directory.path().c_str(), 0, 0600);
            }
            if (code != 0) return lmdb_error(code);
            return Measure([=](Nanoseconds slice) {
              return measure_threads(threads, slice, [&](std::size_t) -> Status {
                const std::uint64_t count = state->count.fetch_add(1, std::memory_order_relaxed);
                return lmdb_put_one(state->environment.get(), count, state->payloads.at(count));
              });
            });
          }};
}

}  // namespace nacre::bench
