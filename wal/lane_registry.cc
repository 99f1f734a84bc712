#include "wal/lane_registry.h"

#include <cstring>
#include <vector>

#include "lib/base/endian.h"
#include "lib/base/try.h"
#include "lib/io/checked_file.h"

namespace nacre::wal {
namespace {

struct LanesHeader {
  CheckedHeader common;
  le32 count;
  le32 reserved;
};
static_assert(sizeof(LanesHeader) == 40 && alignof(LanesHeader) == 1);
static_assert(std::is_trivially_copyable_v<LanesHeader>);

constexpr CheckedFileKind kFileKind = {.magic = {'N', 'A', 'C', 'R', 'L', 'A', 'N', 'E'},
                                       .format_version = kLanesFormatVersion,
                                       .name = "list of lanes",
                                       .least_bytes = sizeof(LanesHeader),
                                       .limit_bytes = std::size_t{64} << 20};

}  // namespace

Result<std::set<std::uint32_t>> read_started_lanes(FileSystem& file_system,
                                                   const std::filesystem::path& directory,
                                                   const Uuid& log_uuid) {
  const std::filesystem::path path = directory / kLanesName;
  const auto content = NACRE_TRY(read_checked_file(file_system, path, kFileKind));
  LanesHeader header;
  std::memcpy(&header, content.data(), sizeof header);
  if (header.common.log_uuid != log_uuid.bytes) {
    return damaged_file(path, kFileKind, "it belongs to another log");
  }
  const Bytes numbers = Bytes(content).subspan(sizeof header);
  if (numbers.size() != std::size_t{header.count} * sizeof(le32)) {
    return damaged_file(path, kFileKind, "wrong length");
  }
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
  header.count = static_cast<std::uint32_t>(lanes.size());
  std::byte* to = content.data() + sizeof header;
  for (const std::uint32_t number : lanes) {
    const le32 lane = number;
    std::memcpy(to, &lane, sizeof lane);
    to += sizeof lane;
  }
  std::memcpy(content.data(), &header, sizeof header);
  return write_checked_file(file_system, directory / kLanesName, kFileKind, log_uuid, content);
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
