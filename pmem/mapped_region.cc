#include "pmem/mapped_region.h"

#include <fmt/format.h>

#include <atomic>
#include <string>
#include <utility>

#include "lib/base/assert.h"
#include "lib/base/try.h"
#include "pmem/mapping.h"
#include "pmem/store_key.h"

namespace nacre::pmem {
namespace {

/// A file as it is mapped: with a key twice, once for stores, under the key, and once for everybody
/// to read, where nobody can store.
struct Views {
  Mapping stores;
  Mapping reads;  // Without a key none.

  std::byte* shown() const noexcept { return reads.size() > 0 ? reads.data() : stores.data(); }
};

class MappedRegion final : public Region {
 public:
  MappedRegion(Views views, std::size_t bytes, const CopyRoutines& routines,
               FlushFunction flush_lines, StoreKey key) noexcept
      : Region(views.shown(), bytes, /*synchronous=*/true, kCacheLineBytes,
               /*takes_plain_stores=*/!key),
        stores_(views.stores.data()),
        key_(key),
        stream_(routines.stream),
        copy_(routines.copy),
        flush_(flush_lines),
        views_(std::move(views)) {}

  void copy(std::size_t offset, Bytes source) noexcept override {
    check_range(offset, source.size());
    const StoreScope scope(key_);
    copy_(stores_ + offset, source.data(), source.size(), flush_);
  }

  void stream(std::size_t offset, Bytes head, Bytes body) noexcept override {
    NACRE_ASSERT(offset % kCacheLineBytes == 0);
    check_range(offset, head.size() + body.size());
    const StoreScope scope(key_);
    stream_(stores_ + offset, head.data(), head.size(), body.data(), body.size());
  }

  void store_u64(std::size_t offset, std::uint64_t value) noexcept override {
    NACRE_ASSERT(offset % sizeof value == 0);
    check_range(offset, sizeof value);
    std::byte* const address = stores_ + offset;
    const StoreScope scope(key_);
    // Released, so that whoever acquires the word also sees what was stored before it.
    std::atomic_ref(*reinterpret_cast<std::uint64_t*>(address))
        .store(value, std::memory_order_release);
    flush_(address, sizeof value);
  }

  void flush(std::size_t offset, std::size_t bytes) noexcept override {
    check_range(offset, bytes);
    // To write a line back one must be allowed to read it.
    const StoreScope scope(key_);
    if (bytes > 0) flush_(stores_ + offset, bytes);
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

  std::byte* const stores_;
  const StoreKey key_;
  void (*const stream_)(std::byte*, const std::byte*, std::size_t, const std::byte*,
                        std::size_t) noexcept;
  void (*const copy_)(std::byte*, const std::byte*, std::size_t, FlushFunction) noexcept;
  const FlushFunction flush_;
  const Views views_;
};

class MappedDomain final : public Domain {
 public:
  MappedDomain(DomainInfo info, const CopyRoutines& routines, StoreKey key)
      : info_(std::move(info)),
        routines_(routines),
        key_(key),
        // The caches of a durable-cache machine are in the domain, so lines stay where they are.
        flush_(info_.kind == DomainKind::kDurableCache ? &no_flush : native_flush().flush) {
    info_.copy_routine = routines.name;
    info_.overwrite_protection = static_cast<bool>(key);
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
    Views views = NACRE_TRY(map_views(descriptor, bytes, path));
    // A kept region may be large and is perhaps only read: its pages come in as they are touched.
    if (content == MapContent::kFresh) {
      // The kernel brings pages in for a thread that may store there itself.
      const StoreScope scope(key_);
      NACRE_TRY(populate(views.stores, path));
      if (key_) populate_for_reading(views.reads);
    }
    // The mapping outlives the descriptor: a log of a thousand segments keeps none open for them.
    return std::make_unique<MappedRegion>(std::move(views), bytes, routines_, flush_, key_);
  }

 private:
  Result<Views> map_views(int descriptor, std::size_t bytes, const std::string& path) const {
    Views views{.stores = NACRE_TRY(info_.kind == DomainKind::kEmulated
                                        ? map_plain(descriptor, bytes, path)
                                        : map_persistent(descriptor, bytes, path)),
                .reads = {}};
    if (!key_) return views;
    NACRE_TRY(key_.protect(views.stores.data(), views.stores.size(), path));
    return Views{.stores = std::move(views.stores),
                 .reads = NACRE_TRY(map_for_reading(descriptor, bytes, path))};
  }

  DomainInfo info_;
  const CopyRoutines& routines_;
  const StoreKey key_;
  const FlushFunction flush_;
};

}  // namespace

std::unique_ptr<Domain> make_mapped_domain(DomainInfo info, const CopyRoutines& routines,
                                           StoreKey key) {
  NACRE_ASSERT(info.kind == DomainKind::kDurableCache || info.kind == DomainKind::kCacheLine ||
               info.kind == DomainKind::kEmulated);
  return std::make_unique<MappedDomain>(std::move(info), routines, key);
}

}  // namespace nacre::pmem
