#include "pmem/file_system_type.h"

#include <fmt/format.h>
#include <sys/vfs.h>

#include <string_view>

namespace nacre::pmem {
namespace {

struct KnownType {
  std::uint64_t magic;
  std::string_view name;
  bool in_memory = false;
};

// From linux/magic.h and statfs(2).
constexpr KnownType kKnownTypes[] = {
    {0x01021994, "tmpfs", true},
    {0x858458f6, "ramfs", true},
    {0x958458f6, "hugetlbfs", true},
    {0xef53, "ext4"},  // ext2 and ext3 have the same number.
    {0x58465342, "xfs"},
    {0x9123683e, "btrfs"},
    {0xf2f52010, "f2fs"},
    {0xca451a4e, "bcachefs"},
    {0x2fc12fc1, "zfs"},
    {0x794c7630, "overlayfs"},
    {0x65735546, "fuse"},
    {0x6969, "nfs"},
    {0xff534d42, "cifs"},
    {0x01021997, "9p"},
    {0x00c36400, "ceph"},
    {0x4d44, "vfat"},
    {0x2011bab0, "exfat"},
    {0x7366746e, "ntfs"},
    {0xf15f, "ecryptfs"},
};

}  // namespace

FileSystemType file_system_type(std::uint64_t magic) {
  for (const KnownType& known : kKnownTypes) {
    if (known.magic == magic) {
      return {.name = std::string(known.name), .in_memory = known.in_memory};
    }
  }
  return {.name = fmt::format("unknown ({:#x})", magic)};
}

FileSystemType file_system_type_of(int descriptor) {
  struct statfs status{};
  if (fstatfs(descriptor, &status) != 0) return {.name = "unknown"};
  // The field is signed on some machines, and the numbers have 32 bits.
  return file_system_type(static_cast<std::uint32_t>(status.f_type));
}

}  // namespace nacre::pmem
