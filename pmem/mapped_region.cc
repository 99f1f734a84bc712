#include "pmem/mapped_region.h"

#include <fmt/format.h>

#include <atomic>
#include <string>
#include <utility>

#include "lib/base/assert.h"
#include "lib/base/try.h"
#include "pmem/mapping.h"

namespace nacre::pmem {
namespace {

class MappedRegion final : public Region {
 public:
  MappedRegion(Mapping mapping, std::size_t bytes, const CopyRoutines& routines,
               FlushFunction flush_lines) noexcept
      : Region(mapping.data(), bytes, /*synchronous=*/true, kCacheLineBytes),
        stream_(routines.stream),
        copy_(routines.copy),
        flush_(flush_lines),
        mapping_(std::move(mapping)) {}

  void copy(std::size_t offset, Bytes source) noexcept override {
    check_range(offset, source.size());
    copy_(data() + offset, source.data(), source.size(), flush_);
  }

  void stream(std::size_t offset, Bytes head, Bytes body) noexcept override {
    NACRE_ASSERT(offset % kCacheLineBytes == 0);
    check_range(offset, head.size() + body.size());
    stream_(data() + offset, head.data(), head.size(), body.data(), body.size());
  }

  void store_u64(std::size_t offset, std::uint64_t value) noexcept override {
    NACRE_ASSERT(offset % sizeof value == 0);
    check_range(offset, sizeof value);
    std::byte* const address = data() + offset;
    // Released, so that whoever acquires the word also sees what was stored before it.
    std::atomic_ref(*reinterpret_cast<std::uint64_t*>(address))
        .store(value, std::memory_order_release);
    flush_(address, sizeof value);
  }

  void flush(std::size_t offset, std::size_t bytes) noexcept override {
    check_range(offset, bytes);
    if (bytes > 0) flush_(data() + offset, bytes);
  }

  void fence() noexcept override { store_fence(); }

  Result<Ticket> commit(std::size_t begin, std::size_t end) override {
    NACRE_ASSERT(begin <= end && end <= size());
    // Everything in the range was streamed, copied or flushed by this thread: its fence makes it
    // durable.
    store_fence();
    return Ticket{0};
  }

  Status wait(Ticket) override { return {}; }

 private:
  void check_range(std::size_t offset, std::size_t bytes) const noexcept {
    NACRE_ASSERT(offset <= size() && bytes <= size() - offset);
  }

  void (*const stream_)(std::byte*, const std::byte*, std::size_t, const std::byte*,
                        std::size_t) noexcept;
  void (*const copy_)(std::byte*, const std::byte*, std::size_t, FlushFunction) noexcept;
  const FlushFunction flush_;
  const Mapping mapping_;
};

class MappedDomain final : public Domain {
 public:
  MappedDomain(DomainInfo info, const CopyRoutines& routines)
      : info_(std::move(info)),
        routines_(routines),
        // The caches of a durable-cache machine are in the domain, so lines stay where they are.
        flush_(info_.kind == DomainKind::kDurableCache ? &no_flush : native_flush().flush) {
    info_.copy_routine = routines.name;
  }

  const DomainInfo& info() const noexcept override { return info_; }
  OpenOptions open_options() const noexcept override { return {.writable = true}; }

  Result<std::unique_ptr<Region>> map(std::unique_ptr<File> file, std::size_t bytes,
                                      MapContent content) override {
    const std::string path = file->path().string();
    const int descriptor = file->native_handle();
    if (descriptor < 0) {
      return Error(ErrorCode::kUnsupported,
                   "no file of the kernel stands behind this one, so it cannot be mapped; ask for "
                   "the block domain")
          .with_path(path);
    }
    if (bytes == 0 || bytes % kCacheLineBytes != 0) {
      return Error(ErrorCode::kInvalidArgument,
                   fmt::format("a region of {} bytes is not a multiple of {}", bytes,
                               kCacheLineBytes))
          .with_path(path);
    }
    // A touch past the end of the file would be a SIGBUS later, far from its cause.
    const std::uint64_t file_bytes = NACRE_TRY(file->size());
    if (file_bytes < bytes) {
      return Error(ErrorCode::kInvalidArgument,
                   fmt::format("the file has {} bytes, {} are to be mapped", file_bytes, bytes))
          .with_path(path);
    }
    Mapping mapping = NACRE_TRY(info_.kind == DomainKind::kEmulated
                                    ? map_plain(descriptor, bytes, path)
                                    : map_persistent(descriptor, bytes, info_.kind, path));
    // A kept region may be large and is perhaps only read: its pages come in as they are touched.
    if (content == MapContent::kFresh) NACRE_TRY(populate(mapping, path));
    // The mapping outlives the descriptor: a log of a thousand segments keeps none open for them.
    return std::make_unique<MappedRegion>(std::move(mapping), bytes, routines_, flush_);
  }

 private:
  DomainInfo info_;
  const CopyRoutines& routines_;
  const FlushFunction flush_;
};

}  // namespace

std::unique_ptr<Domain> make_mapped_domain(DomainInfo info, const CopyRoutines& routines) {
  NACRE_ASSERT(info.kind == DomainKind::kDurableCache || info.kind == DomainKind::kCacheLine ||
               info.kind == DomainKind::kEmulated);
  return std::make_unique<MappedDomain>(std::move(info), routines);
}

}  // namespace nacre::pmem
