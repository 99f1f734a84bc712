#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <memory>
#include <utility>

#include "bench/commit_contenders.h"
#include "bench/wal_rows.h"
#include "lib/base/try.h"
#include "nacre/log.h"
#include "nacre/wal.h"

namespace nacre::bench {
namespace {

constexpr std::size_t kBlockBytes = 4096;
constexpr std::uint64_t kTruncateEvery = 4096;

Contender nacre_lane(const Setting& setting) {
  return {"nacre", Role::kNacre, "block domain, one lane, durable each", [=]() -> Result<Measure> {
            struct State {
              ScratchDirectory directory;
              Wal wal;
              Payloads payloads{kCommitPayloadBytes};
              std::uint64_t count = 0;
            };
            ScratchDirectory directory = NACRE_TRY(scratch_on_disk(setting));
            WalOptions options;
            options.segment_bytes = commit_file_bytes(setting);
            options.domain = DomainRequest::kBlock;
            Wal wal = NACRE_TRY(Wal::open(directory.path() / "wal", options));
            auto state = std::make_shared<State>(State{std::move(directory), std::move(wal)});
            return Measure([=](Nanoseconds slice) {
              return measure_each(slice, [&]() -> Status {
                const Lsn lsn =
                    NACRE_TRY(state->wal.lane(0).append(state->payloads.at(state->count++)));
                if (state->count % kTruncateEvery == 0) NACRE_TRY(state->wal.truncate(lsn));
                return {};
              });
            });
          }};
}

Contender nacre_partition(const Setting& setting, std::size_t threads) {
  return {"nacre", Role::kNacre, "block domain, one partition shared by the threads, durable each",
          [=]() -> Result<Measure> {
            struct State {
              ScratchDirectory directory;
              Log log;
              Partition partition;
              Payloads payloads{kCommitPayloadBytes};
            };
            ScratchDirectory directory = NACRE_TRY(scratch_on_disk(setting));
            LogOptions options;
            options.segment_bytes = commit_file_bytes(setting);
            options.domain = DomainRequest::kBlock;
            Log log = NACRE_TRY(Log::open(directory.path() / "log", options));
            const Topic topic = NACRE_TRY(log.create_topic("bench"));
            auto state = std::make_shared<State>(
                State{std::move(directory), std::move(log), topic.partition(0)});
            return Measure([=](Nanoseconds slice) {
              return measure_threads(threads, slice, [&](std::size_t thread) -> Status {
                const Offset offset =
                    NACRE_TRY(state->partition.append({.value = state->payloads.at(thread)}));
                if ((offset.value + 1) % kTruncateEvery == 0) {
                  NACRE_TRY(state->partition.truncate(offset));
                }
                return {};
              });
            });
          }};
}

/// A file of 4-KiB blocks, written round and round, each write durable when it returns.
class BlockFile {
 public:
  static Result<BlockFile> create(const std::filesystem::path& path, std::size_t bytes) {
    NACRE_TRY(create_written_file(path, bytes));
    Descriptor file(open(path.c_str(), O_RDWR | O_DIRECT | O_DSYNC | O_CLOEXEC));
    if (file.get() < 0) return errno_error("cannot open with O_DIRECT|O_DSYNC");
    std::byte* block = static_cast<std::byte*>(std::aligned_alloc(kBlockBytes, kBlockBytes));
    if (block == nullptr) return errno_error("no memory for a block");
    std::memset(block, 0x5a, kBlockBytes);
    return BlockFile(std::move(file), bytes, block);
  }

  Status write_next() {
    if (position_ + kBlockBytes > bytes_) position_ = 0;
    // As in a log, no block is like the one before.
    std::memcpy(block_.get(), &position_, sizeof(position_));
    if (pwrite(file_.get(), block_.get(), kBlockBytes, static_cast<off_t>(position_)) !=
        static_cast<ssize_t>(kBlockBytes)) {
      return errno_error("cannot write a block");
    }
    position_ += kBlockBytes;
    return {};
  }

 private:
  BlockFile(Descriptor file, std::size_t bytes, std::byte* block)
      : file_(std::move(file)), bytes_(bytes), block_(block, std::free) {}
  Descriptor file_;
  std::size_t bytes_;
  std::unique_ptr<std::byte, void (*)(void*)> block_;
  std::size_t position_ = 0;
};

Contender floor_blocks(const Setting& setting, std::size_t threads) {
  return {"floor", Role::kFloor,
          "bare 4-KiB pwrite, O_DIRECT|O_DSYNC, advancing through a preallocated and written file; "
          "with more threads each its own file",
          [=]() -> Result<Measure> {
            struct State {
              ScratchDirectory directory;
              std::vector<BlockFile> files;
            };
            ScratchDirectory directory = NACRE_TRY(scratch_on_disk(setting));
            std::vector<BlockFile> files;
            for (std::size_t i = 0; i < threads; ++i) {
              files.push_back(NACRE_TRY(BlockFile::create(
                  directory.path() / fmt::format("blocks-{}", i), commit_file_bytes(setting))));
            }
            auto state = std::make_shared<State>(State{std::move(directory), std::move(files)});
            return Measure([=](Nanoseconds slice) {
              return measure_threads(threads, slice, [&](std::size_t thread) {
                return state->files[thread].write_next();
              });
            });
          }};
}

}  // namespace

Result<ScratchDirectory> scratch_on_disk(const Setting& setting) {
  if (setting.disk_directory.empty()) {
    return Error(ErrorCode::kNotFound,
                 "no directory on an ordinary file system; name one by --dir");
  }
  return ScratchDirectory::create(setting.disk_directory);
}

Error errno_error(std::string message) {
  return Error(ErrorCode::kIo, std::move(message)).with_errno(errno);
}

std::vector<Benchmark> commit_benchmarks(const Setting& setting) {
  std::vector<Benchmark> rows;
  for (const std::size_t threads : {1U, 2U, 16U}) {
    Benchmark& row = rows.emplace_back();
    row.name = fmt::format("commit_block/{}", threads);
    row.unit = "ns/op";
    if (threads == 1) row.bars = {{"floor", 1.10}};
    if (threads == 16) row.bars = {{"rocksdb", 0.5}};
    row.contenders.push_back(threads == 1 ? nacre_lane(setting)
                                          : nacre_partition(setting, threads));
    for (const auto& peer : {rocksdb_put, leveldb_put, lmdb_put, pwrite_fdatasync, msync_pages}) {
      row.contenders.push_back(peer(setting, threads));
    }
    row.contenders.push_back(floor_blocks(setting, threads));
  }
  return rows;
}

}  // namespace nacre::bench
