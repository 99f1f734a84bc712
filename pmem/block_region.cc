#include "pmem/block_region.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "lib/base/assert.h"
#include "lib/base/thread_annotations.h"
#include "lib/base/try.h"
#include "pmem/anonymous_memory.h"
#include "pmem/copy_routines.h"

namespace nacre::pmem {
namespace {

/// As large as one request of most devices; a larger one is split by the kernel anyway.
constexpr std::size_t kReadChunkBytes = std::size_t{8} << 20;

class BlockRegion final : public Region {
 public:
  BlockRegion(std::unique_ptr<File> file, AnonymousMemory image) noexcept
      : Region(image.data(), image.size(), /*synchronous=*/false, kBlockBytes),
        image_(std::move(image)),
        file_(std::move(file)) {}

  /// Reads the file into the image.
  Status load() {
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
    NACRE_ASSERT(begin <= end && end <= size());
    // Pairs with the release in `poison`: whoever sees the flag sees the error.
    if (poisoned_.load(std::memory_order_acquire)) return first_error();
    if (begin == end) return Ticket{0};
    begin -= begin % kBlockBytes;
    end += -end % kBlockBytes;
    // O_DSYNC: the blocks, and what it takes to find them, are durable when the write returns.
    if (Status written = file_->write_at(begin, Bytes(data() + begin, end - begin)); !written) {
      return poison(std::move(written).error());
    }
    return Ticket{0};
  }

  Status wait(Ticket ticket) override {
    NACRE_ASSERT(ticket.value == 0);
    return {};
  }

 private:
  void check_range(std::size_t offset, std::size_t bytes) const noexcept {
    NACRE_ASSERT(offset <= size() && bytes <= size() - offset);
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

  const AnonymousMemory image_;
  const std::unique_ptr<File> file_;
  std::atomic<bool> poisoned_ = false;
  Mutex mutex_;
  std::optional<Error> first_error_ GUARDED_BY(mutex_);
};

class BlockDomain final : public Domain {
 public:
  explicit BlockDomain(DomainInfo info) : info_(std::move(info)) { info_.copy_routine = "memcpy"; }

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
    auto region = std::make_unique<BlockRegion>(
        std::move(file), NACRE_TRY(AnonymousMemory::create(bytes, MemoryUse::kDense, path)));
    if (content == MapContent::kKeep) NACRE_TRY(region->load());
    return region;
  }

 private:
  DomainInfo info_;
};

}  // namespace

std::unique_ptr<Domain> make_block_domain(DomainInfo info) {
  NACRE_ASSERT(info.kind == DomainKind::kBlock);
  return std::make_unique<BlockDomain>(std::move(info));
}

}  // namespace nacre::pmem
