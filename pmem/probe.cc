#include "pmem/probe.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <array>
#include <utility>

#include "lib/base/try.h"
#include "nacre/random.h"
#include "pmem/block_region.h"
#include "pmem/copy_routines.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace nacre::pmem {
namespace {

constexpr std::size_t kProbeBytes = std::size_t{64} << 10;

/// Removes the probe file on every way out.
class ProbeFile {
 public:
  ProbeFile(FileSystem& file_system, std::filesystem::path path)
      : file_system_(file_system), path_(std::move(path)) {}
  ProbeFile(const ProbeFile&) = delete;
  ProbeFile& operator=(const ProbeFile&) = delete;
  ~ProbeFile() {
    // Another error is on its way to the caller and says more than this one would.
    if (!removed_) static_cast<void>(file_system_.remove(path_));
  }

  const std::filesystem::path& path() const noexcept { return path_; }
  Status remove() {
    removed_ = true;
    return file_system_.remove(path_);
  }

 private:
  FileSystem& file_system_;
  const std::filesystem::path path_;
  bool removed_ = false;
};

/// Tells of the directory: a name that is gone again would help nobody.
Error about_directory(const Error& error, const std::filesystem::path& directory) {
  return Error(error.code(), "cannot try out a file in this directory: " + error.message())
      .with_errno(error.sys_errno())
      .with_path(directory.string());
}

Status try_direct_write(FileSystem& file_system, const std::filesystem::path& path) {
  alignas(kBlockBytes) static constexpr std::array<std::byte, kBlockBytes> kZeros{};
  const auto file =
      NACRE_TRY(file_system.open(path, {.writable = true, .direct = true, .data_sync = true}));
  Status written = file->write_at(0, kZeros);
  // On a full disk a log must still open, to be read and truncated; O_DIRECT itself was accepted.
  if (!written && written.error().code() == ErrorCode::kNoSpace) return {};
  return written;
}

std::optional<DirectAlignment> direct_alignment_of(int descriptor) {
#if defined(STATX_DIOALIGN)
  struct statx status{};
  if (statx(descriptor, "", AT_EMPTY_PATH, STATX_DIOALIGN, &status) != 0) return std::nullopt;
  if ((status.stx_mask & STATX_DIOALIGN) == 0) return std::nullopt;
  return DirectAlignment{.memory = status.stx_dio_mem_align, .offset = status.stx_dio_offset_align};
#else
  static_cast<void>(descriptor);
  return std::nullopt;
#endif
}

void look_at_mapping(int descriptor, DirectoryProbe& probe) {
  probe.mappable = true;
  probe.file_system = file_system_type_of(descriptor);
  probe.persistence = find_persistence_facts(descriptor, kProbeBytes);
  probe.direct_alignment = direct_alignment_of(descriptor);
  if (probe.persistence.proven_domain()) {
    probe.unsafe_shutdowns = count_unsafe_shutdowns(descriptor);
  }
}

Status look(FileSystem& file_system, const std::filesystem::path& path, DirectoryProbe& probe) {
  const auto file =
      NACRE_TRY(file_system.open(path, {.writable = true, .create = true, .exclusive = true}));
  ProbeFile probe_file(file_system, path);
  NACRE_TRY(file->resize(kProbeBytes));
  if (const int descriptor = file->native_handle(); descriptor >= 0) {
    look_at_mapping(descriptor, probe);
  }
  if (Status written = try_direct_write(file_system, path); !written) {
    probe.direct_write_error = std::move(written).error();
  }
  return probe_file.remove();
}

#if defined(__x86_64__)
/// CPUID leaf 7, subleaf 0 (Intel SDM volume 2, CPUID).
void look_at_cpuid(CpuProbe& probe) noexcept {
  constexpr unsigned kMovdir64bInEcx = 1u << 28;
  unsigned eax = 0;
  unsigned ebx = 0;
  unsigned ecx = 0;
  unsigned edx = 0;
  if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) == 0) return;
  probe.clwb = (ebx & bit_CLWB) != 0;
  probe.clflushopt = (ebx & bit_CLFLUSHOPT) != 0;
  probe.movdir64b = (ecx & kMovdir64bInEcx) != 0;
  probe.avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                 __builtin_cpu_supports("avx512vl");
}
#endif

}  // namespace

Result<DirectoryProbe> probe_directory(FileSystem& file_system,
                                       const std::filesystem::path& directory) {
  DirectoryProbe probe;
  probe.directory = directory;
  probe.file_system.name = "not the kernel's";
  const std::string name = fmt::format(".nacre-probe-{:016x}", SystemRandom().next_u64());
  if (Status looked = look(file_system, directory / name, probe); !looked) {
    return about_directory(looked.error(), directory);
  }
  return probe;
}

CpuProbe probe_cpu() noexcept {
  CpuProbe probe;
  probe.copy_routine = best_copy_routines().name;
  probe.flush_routine = native_flush().name;
  probe.store_keys = probe_store_keys();
#if defined(__x86_64__)
  look_at_cpuid(probe);
#endif
  return probe;
}

}  // namespace nacre::pmem
