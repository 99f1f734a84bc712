#pragma once

// What the figures were measured on, so that nobody compares figures of different machines.

#include <cstdint>
#include <filesystem>
#include <string>

#include "nacre/result.h"

namespace nacre::bench {

struct Machine {
  std::string cpu;
  unsigned cores = 0;
  std::string kernel;
  std::uint64_t memory_bytes = 0;
  std::string memory_file_system;  ///< Where the emulated domain's files lie.
  std::string disk_file_system;    ///< Where the block domain's files lie; empty when none does.
  std::string memory_model;        ///< Whose speed that memory was given; empty: its own.
  std::string compiler;
  std::string build_type;
  std::string nacre_version;
  std::string date;  ///< UTC, ISO 8601.
};

Machine describe_machine(const std::filesystem::path& memory_directory,
                         const std::filesystem::path& disk_directory);

/// "ext4", "tmpfs" and so on; the magic number of statfs(2) in hexadecimal when it is none we know.
/// Errors: `io`.
Result<std::string> file_system_name(const std::filesystem::path& path);

/// True when `path` lies in memory (tmpfs, ramfs). Errors: `io`.
Result<bool> lies_in_memory(const std::filesystem::path& path);

}  // namespace nacre::bench
