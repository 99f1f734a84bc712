#pragma once

// What a directory and this CPU offer: the facts from which a domain is chosen, and which
// `nacre doctor` shows.
//
// Thread safety: every function may be called from any thread.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "nacre/file_system.h"
#include "nacre/pmem.h"
#include "nacre/result.h"
#include "pmem/file_system_type.h"
#include "pmem/mapping.h"
#include "pmem/store_key.h"

namespace nacre::pmem {

/// The alignment O_DIRECT asks for, in bytes.
struct DirectAlignment {
  std::size_t memory = 0;
  std::size_t offset = 0;
};

struct DirectoryProbe {
  std::filesystem::path directory;
  FileSystemType file_system;
  /// Files there have a descriptor that can be mapped.
  bool mappable = false;
  /// Meaningful when `mappable`.
  PersistenceFacts persistence;
  /// Why a 4-KiB write with O_DIRECT|O_DSYNC failed; empty when it worked.
  std::optional<Error> direct_write_error;
  /// Empty when the kernel does not say (statx with STATX_DIOALIGN, Linux 6.1).
  std::optional<DirectAlignment> direct_alignment;
  /// How often the device lost power without saving its buffers; empty when it does not count.
  std::optional<std::uint64_t> unsafe_shutdowns;
};

/// Tries a file `.nacre-probe-<random>` in `directory`, which is removed again.
/// Errors: `not_found` (no such directory), `no_space`, `io` (such as no permission).
Result<DirectoryProbe> probe_directory(FileSystem& file_system,
                                       const std::filesystem::path& directory);

/// The domain that `request` gets there. `copy_routine` is left empty.
/// Errors: `unsupported`; what the write with O_DIRECT|O_DSYNC failed with.
Result<DomainInfo> decide_domain(const DirectoryProbe& probe, DomainRequest request);

struct CpuProbe {
  bool clwb = false;
  bool clflushopt = false;
  bool avx512 = false;
  bool movdir64b = false;
  StoreKeySupport store_keys;
  /// What nacre uses of it.
  std::string_view copy_routine;
  std::string_view flush_routine;
};

CpuProbe probe_cpu() noexcept;

}  // namespace nacre::pmem
