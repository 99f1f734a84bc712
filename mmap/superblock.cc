#include "mmap/superblock.h"

#include <fmt/format.h>

#include <array>
#include <cstring>

#include "lib/base/endian.h"
#include "lib/base/try.h"
#include "lib/codec/crc32c.h"
#include "lib/io/atomic_file.h"
#include "mmap/segment_format.h"

namespace nacre {
namespace {

struct SuperblockFile {
  std::array<char, 8> magic;
  le32 crc;  ///< CRC32C of the bytes behind it.
  le32 format_version;
  std::array<std::uint8_t, 16> uuid;
  le32 kind;
  le32 reserved;
  le64 segment_bytes;
  std::array<std::byte, 16> reserved_tail;
};
static_assert(sizeof(SuperblockFile) == 64 && alignof(SuperblockFile) == 1);
static_assert(std::is_trivially_copyable_v<SuperblockFile>);

constexpr std::array<char, 8> kMagic = {'N', 'A', 'C', 'R', 'E', 'L', 'O', 'G'};
constexpr std::size_t kLimitBytes = 4096;

std::uint32_t file_crc(const SuperblockFile& file) noexcept {
  const Bytes bytes = std::as_bytes(std::span(&file, 1));
  return ~crc32c(~0U, bytes.subspan(offsetof(SuperblockFile, format_version)));
}

bool valid_segment_bytes(std::uint64_t bytes) noexcept {
  return bytes >= kMinSegmentBytes && bytes <= kMaxSegmentBytes && bytes % kSegmentSlotBytes == 0;
}

}  // namespace

std::string_view log_kind_name(LogKind kind) noexcept {
  switch (kind) {
    case LogKind::kWal:
      return "WAL";
    case LogKind::kMessageLog:
      return "message log";
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
  file.magic = kMagic;
  file.format_version = kSuperblockFormatVersion;
  file.uuid = superblock.uuid.bytes;
  file.kind = static_cast<std::uint32_t>(superblock.kind);
  file.segment_bytes = superblock.segment_bytes;
  file.crc = file_crc(file);
  return write_file_atomically(file_system, directory / kSuperblockName,
                               std::as_bytes(std::span(&file, 1)));
}

Result<Superblock> read_superblock(FileSystem& file_system,
                                   const std::filesystem::path& directory) {
  const std::filesystem::path path = directory / kSuperblockName;
  auto read = read_whole_file(file_system, path, kLimitBytes);
  if (!read && read.error().code() == ErrorCode::kNotFound) {
    return Error(ErrorCode::kNotFound, "there is no nacre log in this directory; check the path")
        .with_path(directory.string());
  }
  const auto content = NACRE_TRY(std::move(read));
  SuperblockFile file{};
  const auto damaged = [&path](std::string_view what) {
    return Error(ErrorCode::kCorruption,
                 fmt::format("{}; the file is not a nacre superblock or is damaged; restore it "
                             "from a copy",
                             what))
        .with_path(path.string());
  };
  if (content.size() < sizeof file) {
    return damaged(fmt::format("{} bytes where {} are expected", content.size(), sizeof file));
  }
  std::memcpy(&file, content.data(), sizeof file);
  if (file.magic != kMagic) return damaged("wrong magic number");
  if (file.crc != file_crc(file)) return damaged("checksum does not match");
  if (file.format_version > kSuperblockFormatVersion) {
    return Error(ErrorCode::kUnsupported,
                 fmt::format("superblock format version {} is newer than this library's {}; open "
                             "it with a newer nacre",
                             std::uint32_t{file.format_version}, kSuperblockFormatVersion))
        .with_path(path.string());
  }
  Superblock superblock{.uuid = {},
                        .kind = static_cast<LogKind>(std::uint32_t{file.kind}),
                        .segment_bytes = file.segment_bytes};
  superblock.uuid.bytes = file.uuid;
  if (superblock.kind != LogKind::kWal && superblock.kind != LogKind::kMessageLog) {
    return damaged("unknown kind of log");
  }
  if (!valid_segment_bytes(superblock.segment_bytes)) return damaged("impossible segment size");
  return superblock;
}

}  // namespace nacre
