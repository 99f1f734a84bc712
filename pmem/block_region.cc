#include "pmem/block_region.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "lib/base/assert.h"
#include "lib/base/thread_annotations.h"
#include "lib/base/try.h"
#include "lib/io/io_scheduler.h"
#include "lib/metrics/prometheus.h"
#include "pmem/block_device.h"
#include "pmem/copy_routines.h"

namespace nacre::pmem {
namespace {

/// As large as one request of most devices; a larger one is split by the kernel anyway.
constexpr std::size_t kReadChunkBytes = std::size_t{8} << 20;
/// Commits under way in all regions together.
constexpr std::size_t kDepth = 128;
constexpr std::size_t kThreads = 4;

class BlockRegion final : public Region {
 public:
  BlockRegion(std::shared_ptr<BlockDevice> device, std::unique_ptr<File> file,
              std::unique_ptr<BlockImage> image)
      : Region(image->data(), image->size(), /*synchronous=*/false, kBlockBytes),
        device_(std::move(device)),
        image_(std::move(image)),
        file_(std::move(file)),
        io_file_(device_->scheduler().backend(), *file_) {}
  ~BlockRegion() override { device_->give_back(std::move(image_)); }
  BlockRegion(const BlockRegion&) = delete;
  BlockRegion& operator=(const BlockRegion&) = delete;

  /// Reads the file into the image.
  Status fill_image() {
    for (std::size_t offset = 0; offset < size();) {
      const std::size_t wanted = std::min(kReadChunkBytes, size() - offset);
      const std::size_t got = NACRE_TRY(file_->read_at(offset, std::span(data() + offset, wanted)));
      if (got < wanted) {
        return Error(ErrorCode::kIo, "the file became shorter while it was read")
            .with_path(file_->path().string())
            .with_offset(offset + got);
      }
      offset += got;
    }
    return {};
  }

  void populate() override { image_->settle_in(device_->scheduler().backend()); }

  void copy(std::size_t offset, Bytes source) noexcept override {
    check_range(offset, source.size());
    // Through the cache: the device takes the bytes from there, and readers of the image too.
    if (!source.empty()) std::memcpy(data() + offset, source.data(), source.size());
  }

  void stream(std::size_t offset, Bytes head, Bytes body) noexcept override {
    NACRE_ASSERT(offset % kCacheLineBytes == 0);
    const std::size_t bytes = head.size() + body.size();
    check_range(offset, bytes);
    std::byte* to = data() + offset;
    if (!head.empty()) std::memcpy(to, head.data(), head.size());
    to += head.size();
    if (!body.empty()) std::memcpy(to, body.data(), body.size());
    to += body.size();
    // The image is a multiple of a line, so the zeros stay inside whenever the bytes do.
    std::memset(to, 0, -bytes % kCacheLineBytes);
  }

  void store_u64(std::size_t offset, std::uint64_t value) noexcept override {
    NACRE_ASSERT(offset % sizeof value == 0);
    check_range(offset, sizeof value);
    // Released, so that whoever acquires the word also sees what was stored before it.
    std::atomic_ref(*reinterpret_cast<std::uint64_t*>(data() + offset))
        .store(value, std::memory_order_release);
  }

  // Neither orders anything here: the write in `commit` is the flush and the fence.
  void flush(std::size_t offset, std::size_t bytes) noexcept override {
    check_range(offset, bytes);
  }
  void fence() noexcept override {}

  Result<Ticket> commit(std::size_t begin, std::size_t end) override {
    if (Status usable = check_commit(begin, end); !usable) return usable.error();
    if (begin == end) return Ticket{0};
    const Range blocks = blocks_around(begin, end);
    // By this thread, past the queue: its caller may hold locks that a callback of the queue takes.
    if (Status written = file_->write_at(blocks.begin, bytes_of(blocks)); !written) {
      return poison(std::move(written).error());
    }
    return Ticket{0};
  }

  void commit_then(std::size_t begin, std::size_t end, CommitDriver driver,
                   CommitCallback done) override {
    const Status usable = check_commit(begin, end);
    if (begin == end) return done(usable);
    IoRequest write = write_request(blocks_around(begin, end));
    auto tell = [this, told = std::move(done)](IoCompletion ended) mutable {
      told(ended.status ? Status() : Status(poison(std::move(ended.status).error())));
    };
    if (usable) return device_->begin(std::move(write), driver, std::move(tell));
    // Not told here and now: a thread that drives may sleep until this commit ends.
    device_->fail(std::move(write), usable.error(), driver, std::move(tell));
  }

  Status wait(Ticket ticket) override {
    NACRE_ASSERT(ticket.value == 0);
    return {};
  }

 private:
  void check_range(std::size_t offset, std::size_t bytes) const noexcept {
    NACRE_ASSERT(offset <= size() && bytes <= size() - offset);
  }

  Status check_commit(std::size_t begin, std::size_t end) EXCLUDES(mutex_) {
    NACRE_ASSERT(begin <= end && end <= size());
    // Pairs with the release in `poison`: whoever sees the flag sees the error.
    if (poisoned_.load(std::memory_order_acquire)) return first_error();
    return {};
  }

  struct Range {
    std::size_t begin;
    std::size_t end;
  };
  static Range blocks_around(std::size_t begin, std::size_t end) noexcept {
    return {begin - begin % kBlockBytes, end + -end % kBlockBytes};
  }
  std::span<std::byte> bytes_of(Range range) const noexcept {
    return {data() + range.begin, range.end - range.begin};
  }

  /// The file is open with O_DSYNC: the blocks, and what it takes to find them, are durable when
  /// the write has ended.
  IoRequest write_request(Range blocks) const {
    IoRequest write;
    write.kind = IoKind::kWrite;
    write.io_class = IoClass::kLog;
    write.file = &io_file_;
    write.offset = blocks.begin;
    write.buffers.push_back(IoBuffer::borrow(bytes_of(blocks), image_->slot()));
    return write;
  }

  /// Keeps `error` unless another thread's came first; returns the one kept.
  Error poison(Error error) EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    if (!first_error_) first_error_ = std::move(error);
    poisoned_.store(true, std::memory_order_release);
    return *first_error_;
  }

  Error first_error() EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    return *first_error_;
  }

  const std::shared_ptr<BlockDevice> device_;
  std::unique_ptr<BlockImage> image_;
  const std::unique_ptr<File> file_;
  const IoFile io_file_;
  std::atomic<bool> poisoned_ = false;
  Mutex mutex_;
  std::optional<Error> first_error_ GUARDED_BY(mutex_);
};

class BlockDomain final : public Domain {
 public:
  BlockDomain(DomainInfo info, std::shared_ptr<BlockDevice> device)
      : info_(std::move(info)), device_(std::move(device)) {
    info_.copy_routine = "memcpy";
  }

  const DomainInfo& info() const noexcept override { return info_; }
  OpenOptions open_options() const noexcept override {
    return {.writable = true, .direct = true, .data_sync = true};
  }

  Result<std::unique_ptr<Region>> map(std::unique_ptr<File> file, std::size_t bytes,
                                      MapContent content) override {
    const std::string path = file->path().string();
    if (bytes == 0 || bytes % kBlockBytes != 0) {
      return Error(ErrorCode::kInvalidArgument,
                   fmt::format("a region of {} bytes is not a multiple of {}", bytes, kBlockBytes))
          .with_path(path);
    }
    const std::uint64_t file_bytes = NACRE_TRY(file->size());
    if (file_bytes < bytes) {
      return Error(ErrorCode::kInvalidArgument,
                   fmt::format("the file has {} bytes, {} are to be mapped", file_bytes, bytes))
          .with_path(path);
    }
    auto region = std::make_unique<BlockRegion>(device_, std::move(file),
                                                NACRE_TRY(device_->take_image(bytes, path)));
    if (content == MapContent::kKeep) NACRE_TRY(region->fill_image());
    return region;
  }

  bool drive(const std::function<bool()>& done) override {
    return device_->scheduler().drive(done);
  }
  Status hold(File& lock) override { return device_->hold(lock); }
  void let_go(File& lock) noexcept override { device_->let_go(lock); }
  const IoBackendInfo* io() const noexcept override {
    return &device_->scheduler().backend().info();
  }
  std::string metrics() const override {
    PrometheusWriter writer;
    device_->scheduler().write_io_metrics(writer);
    return writer.text();
  }

 private:
  DomainInfo info_;
  const std::shared_ptr<BlockDevice> device_;
};

/// For as long as the domain lives.
Result<std::shared_ptr<IoBackend>> borrow(IoBackend& backend) {
  if (backend.single_thread()) {
    return Error(ErrorCode::kInvalidArgument,
                 "the engine for file I/O was made with `single_thread`, and a log calls it from "
                 "several threads; make one without");
  }
  if (!backend.claim()) {
    return Error(ErrorCode::kBusy, "the engine for file I/O serves another log; make one for each");
  }
  return std::shared_ptr<IoBackend>(&backend, [](IoBackend* given) { given->release(); });
}

Result<std::shared_ptr<IoBackend>> find_backend(FileSystem& file_system, const BlockIo& io) {
  if (io.backend != nullptr) return borrow(*io.backend);
  // A file system that stands in for the kernel's, and an executor without threads, meet one
  // operation after the other, in an order that can be had again.
  const bool kernel = dynamic_cast<PosixFileSystem*>(&file_system) != nullptr;
  const bool threads = kernel && io.executor == nullptr;
  const bool as_asked = io.executor == nullptr || io.engine != IoEngine::kAuto;
  return NACRE_TRY(make_io_backend(file_system, {.engine = as_asked ? io.engine : IoEngine::kPosix,
                                                 .depth = kDepth,
                                                 .threads = threads ? kThreads : std::size_t{0},
                                                 .reason = io.engine_reason}));
}

}  // namespace

Result<std::unique_ptr<Domain>> make_block_domain(DomainInfo info, FileSystem& file_system,
                                                  const BlockIo& io) {
  NACRE_ASSERT(info.kind == DomainKind::kBlock);
  auto backend = NACRE_TRY(find_backend(file_system, io));
  return std::make_unique<BlockDomain>(std::move(info),
                                       std::make_shared<BlockDevice>(std::move(backend), io));
}

}  // namespace nacre::pmem
