#include "mmap/superblock.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "lib/base/endian.h"
#include "lib/base/try.h"
#include "lib/io/checked_file.h"
#include "mmap/segment_format.h"
#include "mmap/segment_pool.h"

namespace nacre {
namespace {

struct SuperblockFile {
  CheckedHeader common;
  le32 kind;
  le32 reserved;
  le64 segment_bytes;
  std::array<std::byte, 16> reserved_tail;
};
static_assert(sizeof(SuperblockFile) == 64 && alignof(SuperblockFile) == 1);
static_assert(std::is_trivially_copyable_v<SuperblockFile>);

constexpr CheckedFileKind kFileKind = {.magic = {'N', 'A', 'C', 'R', 'E', 'L', 'O', 'G'},
                                       .format_version = kSuperblockFormatVersion,
                                       .name = "superblock",
                                       .least_bytes = sizeof(SuperblockFile),
                                       .limit_bytes = 4096,
                                       .covered_bytes = sizeof(SuperblockFile)};

bool valid_segment_bytes(std::uint64_t bytes) noexcept {
  return bytes >= kMinSegmentBytes && bytes <= kMaxSegmentBytes && bytes % kSegmentSlotBytes == 0;
}

bool holds_segments(FileSystem& file_system, const std::filesystem::path& directory) {
  const auto names = file_system.list_directory(directory);
  if (!names) return false;
  return std::ranges::any_of(
      *names, [](const std::string& name) { return segment_id_of(name) != SegmentId{}; });
}

}  // namespace

std::string_view log_kind_name(LogKind kind) noexcept {
  switch (kind) {
    case LogKind::kWal:
      return "WAL";
    case LogKind::kMessageLog:
      return "message log";
    case LogKind::kStore:
      return "store";
  }
  return "unknown";
}

Uuid make_uuid(RandomSource& random) noexcept {
  Uuid uuid;
  const std::array<std::uint64_t, 2> bits = {random.next_u64(), random.next_u64()};
  std::memcpy(uuid.bytes.data(), bits.data(), uuid.bytes.size());
  // RFC 9562, section 5.4: version 4, variant 10.
  uuid.bytes[6] = static_cast<std::uint8_t>((uuid.bytes[6] & 0x0FU) | 0x40U);
  uuid.bytes[8] = static_cast<std::uint8_t>((uuid.bytes[8] & 0x3FU) | 0x80U);
  return uuid;
}

Status write_superblock(FileSystem& file_system, const std::filesystem::path& directory,
                        const Superblock& superblock) {
  SuperblockFile file{};
  file.kind = static_cast<std::uint32_t>(superblock.kind);
  file.segment_bytes = superblock.segment_bytes;
  return write_checked_file(file_system, directory / kSuperblockName, kFileKind, superblock.uuid,
                            std::as_writable_bytes(std::span(&file, 1)));
}

Result<Superblock> read_superblock(FileSystem& file_system,
                                   const std::filesystem::path& directory) {
  const std::filesystem::path path = directory / kSuperblockName;
  const auto content = read_checked_file(file_system, path, kFileKind);
  if (!content && content.error().code() == ErrorCode::kNotFound) {
    if (holds_segments(file_system, directory / kSegmentDirectoryName)) {
      return Error(ErrorCode::kCorruption,
                   "there are segments here but no superblock: the file SUPERBLOCK has been lost; "
                   "restore it from a copy")
          .with_path(directory.string());
    }
    return Error(ErrorCode::kNotFound, "there is no nacre log in this directory; check the path")
        .with_path(directory.string());
  }
  if (!content) return content.error();
  SuperblockFile file;
  std::memcpy(&file, content->data(), sizeof file);
  Superblock superblock{.uuid = {},
                        .kind = static_cast<LogKind>(std::uint32_t{file.kind}),
                        .segment_bytes = file.segment_bytes};
  superblock.uuid.bytes = file.common.log_uuid;
  if (superblock.kind < LogKind::kWal || superblock.kind > LogKind::kStore) {
    return damaged_file(path, kFileKind, "unknown kind of log");
  }
  if (!valid_segment_bytes(superblock.segment_bytes)) {
    return damaged_file(path, kFileKind, "impossible segment size");
  }
  return superblock;
}

}  // namespace nacre
