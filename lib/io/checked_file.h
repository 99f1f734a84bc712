#pragma once

// What the small files of a log (SUPERBLOCK, CATALOG, LANES) have in common: a beginning that names
// kind, format version and log under a checksum. Implements that part of docs/format/superblock.md,
// docs/format/catalog.md and docs/format/lanes.md.

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>
#include <type_traits>
#include <vector>

#include "lib/base/endian.h"
#include "nacre/file_system.h"
#include "nacre/result.h"
#include "nacre/types.h"

namespace nacre {

struct CheckedHeader {
  std::array<char, 8> magic;
  le32 crc;  ///< CRC32C of the bytes behind it.
  le32 format_version;
  std::array<std::uint8_t, 16> log_uuid;
};
static_assert(sizeof(CheckedHeader) == 32 && alignof(CheckedHeader) == 1);
static_assert(std::is_trivially_copyable_v<CheckedHeader>);

/// What tells one kind of file from the others.
struct CheckedFileKind {
  std::array<char, 8> magic;
  std::uint32_t format_version;  ///< The newest one that this library reads, and writes.
  std::string_view name;         ///< For messages: "catalog".
  std::size_t least_bytes;       ///< A shorter file is cut short.
  std::size_t limit_bytes;       ///< A longer one is something else.
  /// How many bytes the checksum covers, counted from the beginning; 0 is the whole file.
  std::size_t covered_bytes = 0;
};

/// The file, whose length, magic number, checksum and version are good. Whose log it is has not
/// been looked at. Errors: `not_found`, `corruption`, `unsupported` (newer format), `io`.
Result<std::vector<std::byte>> read_checked_file(FileSystem& file_system,
                                                 const std::filesystem::path& path,
                                                 const CheckedFileKind& kind);

/// Fills in the header at the front of `content`, and writes the file.
/// Durability: durable on success; after an error the old file stands. Errors: `no_space`, `io`.
Status write_checked_file(FileSystem& file_system, const std::filesystem::path& path,
                          const CheckedFileKind& kind, const Uuid& log_uuid,
                          std::span<std::byte> content);

/// The header of a file that `read_checked_file` has read.
CheckedHeader checked_header(Bytes content) noexcept;

/// `corruption`: `what` is wrong with this file, and what to do.
Error damaged_file(const std::filesystem::path& path, const CheckedFileKind& kind,
                   std::string_view what);

}  // namespace nacre
