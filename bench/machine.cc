#include "bench/machine.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>
#include <fstream>
#include <thread>

#include "lib/base/try.h"
#include "nacre/version.h"

#ifndef NACRE_BUILD_TYPE
#define NACRE_BUILD_TYPE "unknown"
#endif

namespace nacre::bench {
namespace {

constexpr unsigned long kXfsMagic = 0x58465342;  // "XFSB"; missing from older linux/magic.h.
constexpr unsigned long kZfsMagic = 0x2fc12fc1;

std::string cpu_name() {
  std::ifstream cpuinfo("/proc/cpuinfo");
  for (std::string line; std::getline(cpuinfo, line);) {
    const std::size_t colon = line.find(": ");
    if (line.starts_with("model name") && colon != std::string::npos) return line.substr(colon + 2);
  }
  return "unknown";
}

std::string kernel_release() {
  utsname name{};
  return uname(&name) == 0 ? fmt::format("{} {}", name.sysname, name.release) : "unknown";
}

std::string compiler_name() {
#if defined(__clang__)
  return fmt::format("clang {}", __clang_version__);
#else
  return fmt::format("g++ {}", __VERSION__);
#endif
}

std::string name_or_empty(const std::filesystem::path& path) {
  return path.empty() ? std::string() : file_system_name(path).value_or("unknown");
}

Result<unsigned long> magic_of(const std::filesystem::path& path) {
  struct statfs info{};
  if (statfs(path.c_str(), &info) != 0) {
    return Error(ErrorCode::kIo, "cannot tell the file system").with_errno(errno).with_path(path);
  }
  return static_cast<unsigned long>(info.f_type);
}

}  // namespace

Machine describe_machine(const std::filesystem::path& memory_directory,
                         const std::filesystem::path& disk_directory) {
  return {.cpu = cpu_name(),
          .cores = std::thread::hardware_concurrency(),
          .kernel = kernel_release(),
          .memory_bytes = static_cast<std::uint64_t>(sysconf(_SC_PHYS_PAGES)) *
                          static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE)),
          .memory_file_system = name_or_empty(memory_directory),
          .disk_file_system = name_or_empty(disk_directory),
          .memory_model = {},
          .compiler = compiler_name(),
          .build_type = NACRE_BUILD_TYPE,
          .nacre_version = NACRE_VERSION_STRING,
          .date = fmt::format("{:%FT%TZ}", fmt::gmtime(std::time(nullptr)))};
}

Result<std::string> file_system_name(const std::filesystem::path& path) {
  const unsigned long magic = NACRE_TRY(magic_of(path));
  switch (magic) {
    case TMPFS_MAGIC:
      return "tmpfs";
    case RAMFS_MAGIC:
      return "ramfs";
    case EXT4_SUPER_MAGIC:
      return "ext4";
    case kXfsMagic:
      return "xfs";
    case BTRFS_SUPER_MAGIC:
      return "btrfs";
    case F2FS_SUPER_MAGIC:
      return "f2fs";
    case OVERLAYFS_SUPER_MAGIC:
      return "overlayfs";
    case NFS_SUPER_MAGIC:
      return "nfs";
    case kZfsMagic:
      return "zfs";
    default:
      return fmt::format("{:#x}", magic);
  }
}

Result<bool> lies_in_memory(const std::filesystem::path& path) {
  const unsigned long magic = NACRE_TRY(magic_of(path));
  return magic == TMPFS_MAGIC || magic == RAMFS_MAGIC;
}

}  // namespace nacre::bench
