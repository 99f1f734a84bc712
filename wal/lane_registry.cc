#include "wal/lane_registry.h"

#include <fmt/format.h>

#include <array>
#include <cstring>
#include <vector>

#include "lib/base/endian.h"
#include "lib/base/try.h"
#include "lib/codec/crc32c.h"
#include "lib/io/atomic_file.h"

namespace nacre::wal {
namespace {

struct LanesHeader {
  std::array<char, 8> magic;
  le32 crc;  ///< CRC32C of the bytes behind it, lane numbers included.
  le32 format_version;
  std::array<std::uint8_t, 16> log_uuid;
  le32 count;
  le32 reserved;
};
static_assert(sizeof(LanesHeader) == 40 && alignof(LanesHeader) == 1);
static_assert(std::is_trivially_copyable_v<LanesHeader>);

constexpr std::array<char, 8> kMagic = {'N', 'A', 'C', 'R', 'L', 'A', 'N', 'E'};
constexpr std::size_t kLimitBytes = std::size_t{64} << 20;
constexpr std::size_t kCrcBegin = offsetof(LanesHeader, format_version);

}  // namespace

Result<std::set<std::uint32_t>> read_started_lanes(FileSystem& file_system,
                                                   const std::filesystem::path& directory,
                                                   const Uuid& log_uuid) {
  const std::filesystem::path path = directory / kLanesName;
  const auto content = NACRE_TRY(read_whole_file(file_system, path, kLimitBytes));
  const auto damaged = [&path](std::string_view what) {
    return Error(ErrorCode::kCorruption,
                 fmt::format("{}; the file is damaged or not a list of lanes; restore it from a "
                             "copy",
                             what))
        .with_path(path.string());
  };
  LanesHeader header{};
  if (content.size() < sizeof header) return damaged("the file is cut short");
  std::memcpy(&header, content.data(), sizeof header);
  if (header.magic != kMagic) return damaged("wrong magic number");
  if (header.crc != ~crc32c(~0U, Bytes(content).subspan(kCrcBegin))) {
    return damaged("checksum does not match");
  }
  if (header.format_version > kLanesFormatVersion) {
    return Error(ErrorCode::kUnsupported,
                 fmt::format("lanes format version {} is newer than this library's {}; open it "
                             "with a newer nacre",
                             std::uint32_t{header.format_version}, kLanesFormatVersion))
        .with_path(path.string());
  }
  if (header.log_uuid != log_uuid.bytes) return damaged("it belongs to another log");
  const Bytes numbers = Bytes(content).subspan(sizeof header);
  if (numbers.size() != std::size_t{header.count} * sizeof(le32)) return damaged("wrong length");
  std::set<std::uint32_t> lanes;
  for (std::size_t at = 0; at < numbers.size(); at += sizeof(le32)) {
    le32 lane;
    std::memcpy(&lane, numbers.data() + at, sizeof lane);
    lanes.insert(lane);
  }
  return lanes;
}

Status write_started_lanes(FileSystem& file_system, const std::filesystem::path& directory,
                           const Uuid& log_uuid, const std::set<std::uint32_t>& lanes) {
  std::vector<std::byte> content(sizeof(LanesHeader) + lanes.size() * sizeof(le32));
  LanesHeader header{};
  header.magic = kMagic;
  header.format_version = kLanesFormatVersion;
  header.log_uuid = log_uuid.bytes;
  header.count = static_cast<std::uint32_t>(lanes.size());
  std::byte* to = content.data() + sizeof header;
  for (const std::uint32_t number : lanes) {
    const le32 lane = number;
    std::memcpy(to, &lane, sizeof lane);
    to += sizeof lane;
  }
  std::memcpy(content.data(), &header, sizeof header);
  header.crc = ~crc32c(~0U, Bytes(content).subspan(kCrcBegin));
  std::memcpy(content.data(), &header, sizeof header);
  return write_file_atomically(file_system, directory / kLanesName, content);
}

Status LaneRegistry::note_started(std::uint32_t lane) {
  MutexLock lock(mutex_);
  if (started_.contains(lane)) return {};
  std::set<std::uint32_t> next = started_;
  next.insert(lane);
  NACRE_TRY(write_started_lanes(file_system_, directory_, log_uuid_, next));
  started_ = std::move(next);
  return {};
}

}  // namespace nacre::wal
