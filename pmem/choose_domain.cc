#include <fmt/format.h>

#include <cerrno>
#include <utility>

#include "lib/base/try.h"
#include "nacre/pmem.h"
#include "pmem/block_region.h"
#include "pmem/copy_routines.h"
#include "pmem/mapped_region.h"
#include "pmem/probe.h"
#include "pmem/store_key.h"

namespace nacre::pmem {
namespace {

constexpr std::string_view kAskForEmulated =
    "ask for the emulated domain by name if surviving a crash of the process is enough "
    "(DomainRequest::kEmulated, `--durability process`), or use another directory";

Error unsupported(const DirectoryProbe& probe, std::string message) {
  return Error(ErrorCode::kUnsupported, std::move(message)).with_path(probe.directory.string());
}

bool is_refusal(const Error& error) noexcept {
  return error.code() == ErrorCode::kUnsupported || error.sys_errno() == EINVAL ||
         error.sys_errno() == EOPNOTSUPP;
}

Result<DomainInfo> decide_emulated(const DirectoryProbe& probe) {
  if (!probe.mappable) {
    return unsupported(probe,
                       "files here cannot be mapped, as the emulated domain does; ask for "
                       "the block domain");
  }
  if (!probe.persistence.pmem2_granularity && probe.persistence.map_sync_errno == ENODEV) {
    return unsupported(probe, fmt::format("{} cannot map files, as the emulated domain does; use "
                                          "another directory",
                                          probe.file_system.name));
  }
  return DomainInfo{.kind = DomainKind::kEmulated,
                    .survives_power_loss = false,
                    .granularity_bytes = kCacheLineBytes,
                    .reason = fmt::format("asked for by name: a mapped file on {}, which survives "
                                          "a crash of the process but not power loss",
                                          probe.file_system.name),
                    .copy_routine = {}};
}

Result<DomainInfo> decide_block(const DirectoryProbe& probe, std::string_view why) {
  const std::string& type = probe.file_system.name;
  if (probe.file_system.in_memory) {
    return unsupported(probe, fmt::format("{} keeps files in memory, where nothing survives power "
                                          "loss; {}",
                                          type, kAskForEmulated));
  }
  if (probe.direct_write_error && is_refusal(*probe.direct_write_error)) {
    return unsupported(probe, fmt::format("the file system ({}) refuses writes with "
                                          "O_DIRECT|O_DSYNC, without which nothing is sure to "
                                          "survive power loss; {}",
                                          type, kAskForEmulated))
        .with_errno(probe.direct_write_error->sys_errno());
  }
  if (probe.direct_write_error) {
    return Error(probe.direct_write_error->code(),
                 fmt::format("a 4-KiB trial write with O_DIRECT|O_DSYNC failed: {}",
                             probe.direct_write_error->message()))
        .with_errno(probe.direct_write_error->sys_errno())
        .with_path(probe.directory.string());
  }
  return DomainInfo{.kind = DomainKind::kBlock,
                    .survives_power_loss = true,
                    .granularity_bytes = kBlockBytes,
                    .reason = fmt::format("{}; {} takes writes with O_DIRECT|O_DSYNC", why, type),
                    .copy_routine = {}};
}

DomainInfo persistent_memory(const DirectoryProbe& probe, DomainKind kind) {
  const bool durable_cache = kind == DomainKind::kDurableCache;
  return {.kind = kind,
          .survives_power_loss = true,
          .granularity_bytes = durable_cache ? sizeof(std::uint64_t) : kCacheLineBytes,
          .reason = fmt::format(
              "persistent memory: libpmem2 says {} on {}, and the kernel grants {}",
              store_granularity_name(*probe.persistence.pmem2_granularity), probe.file_system.name,
              probe.persistence.device_dax ? "device DAX" : "MAP_SYNC"),
          .copy_routine = {}};
}

std::string why_not_persistent_memory(const DirectoryProbe& probe) {
  if (!probe.mappable) return "files here cannot be mapped";
  if (native_flush().flush == &no_flush) return "no flush instruction is known for this CPU";
  const PersistenceFacts& facts = probe.persistence;
  if (facts.map_sync_errno != 0 && facts.pmem2_granularity &&
      *facts.pmem2_granularity != StoreGranularity::kPage) {
    return "libpmem2 calls it persistent memory, but the kernel refuses MAP_SYNC "
           "(PMEM2_FORCE_GRANULARITY in the environment is not believed)";
  }
  return "not persistent memory";
}

Result<DomainInfo> decide_auto(const DirectoryProbe& probe) {
  const bool can_flush = native_flush().flush != &no_flush;
  if (probe.mappable && can_flush) {
    if (const auto proven = probe.persistence.proven_domain()) {
      return persistent_memory(probe, *proven);
    }
  }
  return decide_block(probe, why_not_persistent_memory(probe));
}

}  // namespace

Result<DomainInfo> decide_domain(const DirectoryProbe& probe, DomainRequest request) {
  switch (request) {
    case DomainRequest::kAuto:
      return decide_auto(probe);
    case DomainRequest::kBlock:
      return decide_block(probe, "asked for by name");
    case DomainRequest::kEmulated:
      return decide_emulated(probe);
  }
  return Error(ErrorCode::kInvalidArgument, "no such DomainRequest");
}

Result<std::unique_ptr<Domain>> choose_domain(FileSystem& file_system,
                                              const std::filesystem::path& directory,
                                              DomainRequest request, const BlockIo& io,
                                              const MappingOptions& mapping) {
  const DirectoryProbe probe = NACRE_TRY(probe_directory(file_system, directory));
  DomainInfo info = NACRE_TRY(decide_domain(probe, request));
  if (info.kind == DomainKind::kBlock) {
    return make_block_domain(std::move(info), file_system, io);
  }
  if (!mapping.overwrite_protection) return make_mapped_domain(std::move(info));
  auto key = StoreKey::of_process();
  if (!key) return Error(key.error()).with_path(directory.string());
  info.reason += "; protected against stray stores by a protection key";
  return make_mapped_domain(std::move(info), best_copy_routines(), *key);
}

}  // namespace nacre::pmem
