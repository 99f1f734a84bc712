#pragma once

// What kind of file system a file lies on, by the magic number of statfs(2).

#include <cstdint>
#include <string>

namespace nacre::pmem {

struct FileSystemType {
  /// Such as "ext4", or "unknown (0x1234)".
  std::string name;
  /// Files there lie in memory alone: nothing survives power loss, whatever a write promises.
  /// (Since Linux 6.6 tmpfs even takes O_DIRECT, so trying would prove nothing.)
  bool in_memory = false;
};

/// `magic` is statfs's f_type.
FileSystemType file_system_type(std::uint64_t magic);

/// Of the file behind `descriptor`; "unknown" when the kernel does not say.
FileSystemType file_system_type_of(int descriptor);

}  // namespace nacre::pmem
