#pragma once

// Mappings of files, and what libpmem2 and the kernel say about the memory behind them.
//
// Thread safety: functions may be called from any thread; a Mapping belongs to one owner.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "nacre/pmem.h"
#include "nacre/result.h"

namespace nacre::pmem {

/// Shared memory over the first bytes of a file, writable unless it says otherwise. Unmapped by
/// destruction.
class Mapping {
 public:
  Mapping() = default;
  Mapping(std::byte* data, std::size_t size) noexcept : data_(data), size_(size) {}
  Mapping(Mapping&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  Mapping& operator=(Mapping&&) = delete;
  ~Mapping();

  std::byte* data() const noexcept { return data_; }
  std::size_t size() const noexcept { return size_; }

 private:
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

/// In how small a unit a store becomes durable, in libpmem2's terms.
enum class StoreGranularity : std::uint8_t { kByte, kCacheLine, kPage };

/// "byte", "cache_line", "page".
std::string_view store_granularity_name(StoreGranularity granularity) noexcept;

/// What libpmem2 and the kernel say about one file.
struct PersistenceFacts {
  /// Empty when libpmem2 could not map the file; then `pmem2_message` says why.
  std::optional<StoreGranularity> pmem2_granularity;
  std::string pmem2_message;
  /// 0 when the kernel granted MAP_SYNC: stores need no msync to find their way to the media.
  int map_sync_errno = 0;
  /// A character device of the kernel's DAX driver, which needs no MAP_SYNC.
  bool device_dax = false;

  /// The persistent-memory domain these facts prove, if any.
  ///
  /// libpmem2 alone is not believed: PMEM2_FORCE_GRANULARITY in the environment makes it call any
  /// file persistent memory. The kernel grants MAP_SYNC only where that is so (mmap(2)).
  std::optional<DomainKind> proven_domain() const noexcept;
};

/// Maps the first `bytes` bytes behind `descriptor` for a moment to find out.
PersistenceFacts find_persistence_facts(int descriptor, std::size_t bytes);

/// How often the device behind `descriptor` lost power without saving its buffers, as libpmem2
/// reads it from the DIMMs; empty where none counts it.
std::optional<std::uint64_t> count_unsafe_shutdowns(int descriptor);

/// Maps persistent memory by mmap(2) with MAP_SYNC, which the kernel grants on nothing else: DAX
/// can be switched on file by file, so the directory's probe proves nothing about this one. Whether
/// caches are flushed at a power cut is a property of the machine, which the probe has found out.
/// Errors: `unsupported` when the file is not persistent memory, `no_space` for memory, `io`.
Result<Mapping> map_persistent(int descriptor, std::size_t bytes, const std::string& path);

/// Maps any file by plain mmap(2).
/// Errors: `no_space` for memory, `unsupported`, `io`.
Result<Mapping> map_plain(int descriptor, std::size_t bytes, const std::string& path);

/// Maps any file for reading: a store there ends the process (SIGSEGV).
/// Errors: as `map_plain`.
Result<Mapping> map_for_reading(int descriptor, std::size_t bytes, const std::string& path);

/// Takes every page fault of `mapping` now, for writing, instead of on the append path.
/// Errors: `no_space` when the file has holes and its file system no room to fill them, `io`.
Status populate(const Mapping& mapping, const std::string& path);

/// As `populate`, for reading, of a mapping whose pages are in memory already. Where it fails, they
/// come in as they are touched.
void populate_for_reading(const Mapping& mapping) noexcept;

}  // namespace nacre::pmem
