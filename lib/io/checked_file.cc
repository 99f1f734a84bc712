#include "lib/io/checked_file.h"

#include <fmt/format.h>

#include <cstring>

#include "lib/base/assert.h"
#include "lib/base/try.h"
#include "lib/codec/crc32c.h"
#include "lib/io/atomic_file.h"

namespace nacre {
namespace {

std::uint32_t content_crc(Bytes content, const CheckedFileKind& kind) noexcept {
  if (kind.covered_bytes != 0) content = content.first(kind.covered_bytes);
  return ~crc32c(~0U, content.subspan(offsetof(CheckedHeader, format_version)));
}

}  // namespace

Result<std::vector<std::byte>> read_checked_file(FileSystem& file_system,
                                                 const std::filesystem::path& path,
                                                 const CheckedFileKind& kind) {
  auto content = NACRE_TRY(read_whole_file(file_system, path, kind.limit_bytes));
  if (content.size() < kind.least_bytes) {
    return damaged_file(path, kind,
                        fmt::format("the file is cut short: {} bytes, and {} at least are expected",
                                    content.size(), kind.least_bytes));
  }
  const CheckedHeader header = checked_header(content);
  if (header.magic != kind.magic) return damaged_file(path, kind, "wrong magic number");
  if (header.crc != content_crc(content, kind)) {
    return damaged_file(path, kind, "checksum does not match");
  }
  if (header.format_version > kind.format_version) {
    return Error(
               ErrorCode::kUnsupported,
               fmt::format("format version {} of this {} is newer than this library's {}; open it "
                           "with a newer nacre",
                           std::uint32_t{header.format_version}, kind.name, kind.format_version))
        .with_path(path.string());
  }
  return content;
}

Status write_checked_file(FileSystem& file_system, const std::filesystem::path& path,
                          const CheckedFileKind& kind, const Uuid& log_uuid,
                          std::span<std::byte> content) {
  NACRE_ASSERT(content.size() >= kind.least_bytes);
  CheckedHeader header{};
  header.magic = kind.magic;
  header.format_version = kind.format_version;
  header.log_uuid = log_uuid.bytes;
  std::memcpy(content.data(), &header, sizeof header);
  header.crc = content_crc(content, kind);
  std::memcpy(content.data(), &header, sizeof header);
  return write_file_atomically(file_system, path, content);
}

CheckedHeader checked_header(Bytes content) noexcept {
  CheckedHeader header;
  std::memcpy(&header, content.data(), sizeof header);
  return header;
}

Error damaged_file(const std::filesystem::path& path, const CheckedFileKind& kind,
                   std::string_view what) {
  return Error(ErrorCode::kCorruption,
               fmt::format("{}; the file is damaged or not a {}; restore it from a copy", what,
                           kind.name))
      .with_path(path.string());
}

}  // namespace nacre
