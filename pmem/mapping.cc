#include "pmem/mapping.h"

#include <fmt/format.h>
#include <libpmem2.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <cerrno>
#include <cstdlib>
#include <memory>
#include <mutex>

namespace nacre::pmem {
namespace {

constexpr std::size_t kHugePageBytes = std::size_t{2} << 20;

struct ConfigDeleter {
  void operator()(pmem2_config* config) const noexcept { pmem2_config_delete(&config); }
};
struct SourceDeleter {
  void operator()(pmem2_source* source) const noexcept { pmem2_source_delete(&source); }
};

StoreGranularity from_pmem2(pmem2_granularity granularity) noexcept {
  switch (granularity) {
    case PMEM2_GRANULARITY_BYTE:
      return StoreGranularity::kByte;
    case PMEM2_GRANULARITY_CACHE_LINE:
      return StoreGranularity::kCacheLine;
    case PMEM2_GRANULARITY_PAGE:
      break;
  }
  return StoreGranularity::kPage;
}

/// Held over each mapping by libpmem2. To find out whether caches are flushed at a power cut it
/// walks through sysfs, and changes the current directory of the process on the way: two walks at
/// once find nothing, and may leave the process where it never was. (Seen with libpmem2 1.12 on an
/// NVDIMM.)
std::mutex& pmem2_mutex() noexcept {
  static std::mutex mutex;
  return mutex;
}

/// Returns 0 or libpmem2's negative error.
int map_with_pmem2(int descriptor, std::size_t bytes, pmem2_map** map) {
  const std::lock_guard one_at_a_time(pmem2_mutex());
  pmem2_config* raw_config = nullptr;
  if (const int failed = pmem2_config_new(&raw_config); failed != 0) return failed;
  const std::unique_ptr<pmem2_config, ConfigDeleter> config(raw_config);
  pmem2_source* raw_source = nullptr;
  if (const int failed = pmem2_source_from_fd(&raw_source, descriptor); failed != 0) return failed;
  const std::unique_ptr<pmem2_source, SourceDeleter> source(raw_source);
  // Whatever it is: that is the question.
  int failed = pmem2_config_set_required_store_granularity(config.get(), PMEM2_GRANULARITY_PAGE);
  if (failed == 0) failed = pmem2_config_set_length(config.get(), bytes);
  return failed != 0 ? failed : pmem2_map_new(map, config.get(), source.get());
}

/// 0, or the errno with which the kernel refused a mapping that stays persistent without msync.
int try_map_sync(int descriptor, std::size_t bytes) noexcept {
  void* address =
      mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED_VALIDATE | MAP_SYNC, descriptor, 0);
  if (address == MAP_FAILED) return errno;
  munmap(address, bytes);
  return 0;
}

/// A character device that sysfs files under the DAX driver; libpmem2 tells it the same way.
bool is_device_dax(int descriptor) {
  struct stat status{};
  if (fstat(descriptor, &status) != 0 || !S_ISCHR(status.st_mode)) return false;
  std::error_code ignored;
  const auto subsystem = std::filesystem::canonical(
      fmt::format("/sys/dev/char/{}:{}/subsystem", major(status.st_rdev), minor(status.st_rdev)),
      ignored);
  return subsystem.filename() == "dax";
}

ErrorCode code_of_mmap_errno(int sys_errno) noexcept {
  switch (sys_errno) {
    case ENOMEM:
    case EAGAIN:  // Locked memory over its limit.
      return ErrorCode::kNoSpace;
    case ENODEV:
    case EOPNOTSUPP:
    case EACCES:
      return ErrorCode::kUnsupported;
    default:
      return ErrorCode::kIo;
  }
}

Error mmap_error(int sys_errno, std::size_t bytes, const std::string& path) {
  const ErrorCode code = code_of_mmap_errno(sys_errno);
  const char* advice = "";
  if (code == ErrorCode::kNoSpace) {
    advice = "; raise the limits on address space (ulimit -v) or mappings (vm.max_map_count)";
  } else if (code == ErrorCode::kUnsupported) {
    advice = "; this file system cannot map files, use another directory";
  }
  return Error(code, fmt::format("cannot map {} bytes of the file{}", bytes, advice))
      .with_errno(sys_errno)
      .with_path(path);
}

Result<Mapping> map_shared(int descriptor, std::size_t bytes, int protection,
                           const std::string& path) {
  void* address = mmap(nullptr, bytes, protection, MAP_SHARED, descriptor, 0);
  if (address == MAP_FAILED) return mmap_error(errno, bytes, path);
  // Advice only: tmpfs has huge pages where its mount or the administrator allows them.
  if (bytes >= kHugePageBytes) madvise(address, bytes, MADV_HUGEPAGE);
  return Mapping(static_cast<std::byte*>(address), bytes);
}

}  // namespace

Mapping::~Mapping() {
  if (data_ != nullptr) munmap(data_, size_);
}

std::string_view store_granularity_name(StoreGranularity granularity) noexcept {
  switch (granularity) {
    case StoreGranularity::kByte:
      return "byte";
    case StoreGranularity::kCacheLine:
      return "cache_line";
    case StoreGranularity::kPage:
      break;
  }
  return "page";
}

std::optional<DomainKind> PersistenceFacts::proven_domain() const noexcept {
  if (!pmem2_granularity || (map_sync_errno != 0 && !device_dax)) return std::nullopt;
  switch (*pmem2_granularity) {
    case StoreGranularity::kByte:
      return DomainKind::kDurableCache;
    case StoreGranularity::kCacheLine:
      return DomainKind::kCacheLine;
    case StoreGranularity::kPage:
      break;
  }
  return std::nullopt;
}

PersistenceFacts find_persistence_facts(int descriptor, std::size_t bytes) {
  PersistenceFacts facts;
  pmem2_map* map = nullptr;
  if (map_with_pmem2(descriptor, bytes, &map) == 0) {
    facts.pmem2_granularity = from_pmem2(pmem2_map_get_store_granularity(map));
    // libpmem2 lets the environment overrule it. Caches that are only said to be flushed at a power
    // cut would lose what nobody flushed; flushing what need not be costs little.
    const bool overruled = std::getenv("PMEM2_FORCE_GRANULARITY") != nullptr;
    if (overruled && facts.pmem2_granularity == StoreGranularity::kByte) {
      facts.pmem2_granularity = StoreGranularity::kCacheLine;
    }
    pmem2_map_delete(&map);
  } else {
    facts.pmem2_message = pmem2_errormsg();
  }
  facts.map_sync_errno = try_map_sync(descriptor, bytes);
  facts.device_dax = is_device_dax(descriptor);
  return facts;
}

std::optional<std::uint64_t> count_unsafe_shutdowns(int descriptor) {
  pmem2_source* raw_source = nullptr;
  if (pmem2_source_from_fd(&raw_source, descriptor) != 0) return std::nullopt;
  const std::unique_ptr<pmem2_source, SourceDeleter> source(raw_source);
  std::uint64_t count = 0;
  if (pmem2_source_device_usc(source.get(), &count) != 0) return std::nullopt;
  return count;
}

Result<Mapping> map_persistent(int descriptor, std::size_t bytes, const std::string& path) {
  void* address =
      mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED_VALIDATE | MAP_SYNC, descriptor, 0);
  if (address != MAP_FAILED) return Mapping(static_cast<std::byte*>(address), bytes);
  const int refused = errno;
  // Of a whole device, which is persistent memory or nothing, the kernel says what is wrong.
  if (is_device_dax(descriptor)) return mmap_error(refused, bytes, path);
  return Error(ErrorCode::kUnsupported,
               "the kernel does not map this file as persistent memory (MAP_SYNC), unlike others "
               "in its directory; copy it there anew so that it gets the directory's DAX flag")
      .with_errno(refused)
      .with_path(path);
}

Result<Mapping> map_plain(int descriptor, std::size_t bytes, const std::string& path) {
  return map_shared(descriptor, bytes, PROT_READ | PROT_WRITE, path);
}

Result<Mapping> map_for_reading(int descriptor, std::size_t bytes, const std::string& path) {
  return map_shared(descriptor, bytes, PROT_READ, path);
}

Status populate(const Mapping& mapping, const std::string& path) {
  while (madvise(mapping.data(), mapping.size(), MADV_POPULATE_WRITE) != 0) {
    const int sys_errno = errno;
    if (sys_errno == EINTR || sys_errno == EAGAIN) continue;
    // Kernels before 5.14 do not know the advice: then the first stores take the faults.
    if (sys_errno == EINVAL) return {};
    if (sys_errno == EFAULT || sys_errno == ENOMEM) {
      return Error(ErrorCode::kNoSpace,
                   "the mapped file has pages that its file system or memory has no room for; "
                   "free some, or use another directory")
          .with_errno(sys_errno)
          .with_path(path);
    }
    return Error(ErrorCode::kIo, "cannot bring in the pages of the mapped file")
        .with_errno(sys_errno)
        .with_path(path);
  }
  return {};
}

void populate_for_reading(const Mapping& mapping) noexcept {
  static_cast<void>(madvise(mapping.data(), mapping.size(), MADV_POPULATE_READ));
}

}  // namespace nacre::pmem
