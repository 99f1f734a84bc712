#pragma once

// The file that makes a directory a nacre log: its identity and what is fixed for its life.
// Implements docs/format/superblock.md.

#include <cstdint>
#include <filesystem>
#include <string_view>

#include "nacre/file_system.h"
#include "nacre/random.h"
#include "nacre/result.h"
#include "nacre/types.h"

namespace nacre {

inline constexpr std::uint32_t kSuperblockFormatVersion = 1;
inline constexpr std::string_view kSuperblockName = "SUPERBLOCK";
inline constexpr std::string_view kSegmentDirectoryName = "segments";

enum class LogKind : std::uint32_t {
  kWal = 1,
  kMessageLog = 2,
  kStore = 3,
};

std::string_view log_kind_name(LogKind kind) noexcept;

struct Superblock {
  Uuid uuid;
  LogKind kind = LogKind::kWal;
  std::uint64_t segment_bytes = 0;
};

/// A random (version 4) UUID.
Uuid make_uuid(RandomSource& random) noexcept;

/// Durability: durable on success.
Status write_superblock(FileSystem& file_system, const std::filesystem::path& directory,
                        const Superblock& superblock);

/// Errors: `not_found` (no log here), `corruption` (also when a log's segments are here without
/// it), `unsupported` (newer format), `io`.
Result<Superblock> read_superblock(FileSystem& file_system, const std::filesystem::path& directory);

}  // namespace nacre
