#include "lib/store/salvage_log.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <span>
#include <string>
#include <utility>

#include "lib/base/try.h"
#include "lib/store/table_format.h"
#include "lib/store/write_log.h"
#include "mmap/segment_pool.h"
#include "mmap/superblock.h"
#include "wal/lane_registry.h"
#include "wal/segment_scan.h"

namespace nacre::store {
namespace {

/// What cannot be read is given up by so much.
constexpr std::size_t kReadAtOnce = std::size_t{64} << 10;

std::uint64_t file_bytes(FileSystem& file_system, const std::filesystem::path& path) {
  const auto stat = file_system.stat(path);
  return stat ? stat->bytes : 0;
}

RepairLoss lost_file(FileSystem& file_system, const std::filesystem::path& path,
                     const Error& error) {
  return {.path = path.string(),
          .bytes = file_bytes(file_system, path),
          .what = fmt::format("nothing of it can be read: {}", error.message())};
}

Status read_identity(FileSystem& file_system, const std::filesystem::path& directory,
                     SalvagedLog& log, std::vector<RepairLoss>& losses) {
  const auto superblock = read_superblock(file_system, directory);
  if (superblock && superblock->kind != LogKind::kStore) {
    return Error(ErrorCode::kInvalidArgument, fmt::format("this directory holds a {}, not a store",
                                                          log_kind_name(superblock->kind)))
        .with_path(directory.string());
  }
  if (superblock) {
    log.uuid = superblock->uuid;
    log.segment_bytes = superblock->segment_bytes;
    return {};
  }
  if (superblock.error().code() == ErrorCode::kUnsupported) return superblock.error();
  const auto is_store = file_system.stat(directory / kTableDirectoryName);
  if (!is_store) {
    return Error(ErrorCode::kNotFound, "there is no store in this directory, damaged or not")
        .with_path(directory.string());
  }
  log.has_superblock = false;
  losses.push_back({.path = (directory / kSuperblockName).string(),
                    .bytes = file_bytes(file_system, directory / kSuperblockName),
                    .what = "the superblock is damaged; what it says stands in segments, too"});
  return {};
}

/// The header by itself: the file may be cut short behind it.
Result<SegmentState> read_state(FileSystem& file_system, const std::filesystem::path& path) {
  const auto file = NACRE_TRY(file_system.open(path, {}));
  std::vector<std::byte> header(kSegmentDataOffset);
  static_cast<void>(NACRE_TRY(file->read_at(0, header)));
  const DecodedHeader decoded = NACRE_TRY(decode_segment_header(header));
  if (decoded.state.id == segment_id_of(path.filename().string())) return decoded.state;
  return Error(ErrorCode::kCorruption, "its header is that of another segment");
}

/// Those whose headers can be read. Errors: `unsupported`.
Result<std::vector<SalvagedSegment>> read_headers(FileSystem& file_system,
                                                  const std::filesystem::path& segments,
                                                  SalvagedLog& log,
                                                  std::vector<RepairLoss>& losses) {
  std::vector<SalvagedSegment> found;
  const auto names = file_system.list_directory(segments);
  if (!names) {
    log.manifest_is_there = false;
    losses.push_back({.path = segments.string(),
                      .what = fmt::format("the log is not there: {}", names.error().message())});
    return found;
  }
  for (const std::string& name : *names) {
    if (segment_id_of(name) == SegmentId{}) continue;
    const auto state = read_state(file_system, segments / name);
    if (state) {
      found.push_back({.path = segments / name, .state = *state});
      continue;
    }
    if (state.error().code() == ErrorCode::kUnsupported) return state.error();
    // It may have been the manifest's.
    log.manifest_is_there = false;
    losses.push_back(lost_file(file_system, segments / name, state.error()));
  }
  return found;
}

/// Most segments agree on whose they are.
void take_identity_from(const std::vector<SalvagedSegment>& segments, SalvagedLog& log) {
  std::size_t most = 0;
  for (const SalvagedSegment& one : segments) {
    const auto count =
        static_cast<std::size_t>(std::ranges::count_if(segments, [&](const SalvagedSegment& other) {
          return other.state.log_uuid == one.state.log_uuid;
        }));
    if (count <= most) continue;
    most = count;
    log.uuid = one.state.log_uuid;
    log.segment_bytes = one.state.segment_bytes;
  }
}

/// Leaves the segments that the lane still needs, in order, and says which of them are missing.
void settle_lane(const std::filesystem::path& directory, std::uint32_t number,
                 std::vector<SalvagedSegment>& lane, SalvagedLog& log,
                 std::vector<RepairLoss>& losses) {
  const auto place = [](const SalvagedSegment& one) { return one.state.lane_sequence; };
  std::ranges::sort(lane, {}, place);
  std::uint64_t expected = lane.back().state.first_lane_sequence;
  std::erase_if(lane, [&](const SalvagedSegment& one) { return place(one) < expected; });
  for (const SalvagedSegment& one : lane) {
    for (; expected < place(one); ++expected) {
      if (number == kManifestLane) log.manifest_is_there = false;
      losses.push_back({.path = (directory / kSegmentDirectoryName).string(),
                        .bytes = log.segment_bytes,
                        .what = fmt::format("segment {} of lane {} is missing", expected, number)});
    }
    expected = place(one) + 1;
  }
}

/// All of the file, zeros where it cannot be read.
std::vector<std::byte> read_file(FileSystem& file_system, const SalvagedSegment& segment,
                                 std::vector<RepairLoss>& losses) {
  std::vector<std::byte> bytes(segment.state.segment_bytes);
  const auto file = file_system.open(segment.path, {});
  if (!file) {
    losses.push_back(lost_file(file_system, segment.path, file.error()));
    return {};
  }
  for (std::size_t offset = 0; offset < bytes.size(); offset += kReadAtOnce) {
    const auto part =
        std::span(bytes).subspan(offset, std::min(kReadAtOnce, bytes.size() - offset));
    const auto got = (*file)->read_at(offset, part);
    if (got && *got == part.size()) continue;
    if (!got) {
      std::ranges::fill(part, std::byte{});
      losses.push_back({.path = segment.path.string(),
                        .offset = offset,
                        .bytes = part.size(),
                        .what = got.error().message()});
      continue;
    }
    losses.push_back({.path = segment.path.string(),
                      .offset = offset + *got,
                      .bytes = bytes.size() - offset - *got,
                      .what = "the file was cut short"});
    break;
  }
  return bytes;
}

std::optional<std::size_t> stated_end(const SegmentState& state) {
  const bool stated = state.use == SegmentUse::kSealed || state.closed_cleanly;
  if (!stated || state.end_offset > state.segment_bytes) return {};
  return state.end_offset;
}

struct Gap {
  bool is_damage = false;
  std::size_t end = 0;  ///< Where it goes on, or ends.
  bool goes_on = false;
};

/// What is behind `at`, where frames end.
Gap look_behind(Bytes segment, const SegmentState& state, std::size_t at, Lsn last) {
  std::size_t first = 0;
  const wal::TailSearch tail = wal::search_tail(
      segment, record_seed(state), at, last,
      [](void* context, std::size_t offset) noexcept {
        auto* const found = static_cast<std::size_t*>(context);
        if (*found == 0) *found = offset;
      },
      &first);
  Gap gap;
  gap.is_damage = stated_end(state).has_value() || tail.proves_rot || tail.exhausted;
  gap.goes_on = first != 0;
  gap.end = gap.goes_on ? first : segment.size();
  return gap;
}

}  // namespace

Result<SalvagedLog> survey_log(FileSystem& file_system, const std::filesystem::path& directory,
                               std::vector<RepairLoss>& losses) {
  SalvagedLog log;
  NACRE_TRY(read_identity(file_system, directory, log, losses));
  const auto segments = directory / kSegmentDirectoryName;
  auto found = NACRE_TRY(read_headers(file_system, segments, log, losses));
  if (!log.has_superblock) take_identity_from(found, log);
  for (SalvagedSegment& segment : found) {
    if (segment.state.log_uuid != log.uuid) {
      losses.push_back({.path = segment.path.string(),
                        .bytes = segment.state.segment_bytes,
                        .what = "it is a segment of another log"});
      continue;
    }
    if (segment.state.use == SegmentUse::kFree) continue;
    log.lanes[segment.state.lane].push_back(std::move(segment));
  }
  for (auto& [number, lane] : log.lanes) settle_lane(directory, number, lane, log, losses);
  const auto started = wal::read_started_lanes(file_system, directory, log.uuid);
  if (!started) {
    losses.push_back(lost_file(file_system, directory / wal::kLanesName, started.error()));
  } else {
    for (const std::uint32_t number : *started) {
      if (log.lanes.contains(number)) continue;
      if (number == kManifestLane) log.manifest_is_there = false;
      losses.push_back({.path = segments.string(),
                        .bytes = log.segment_bytes,
                        .what = fmt::format("all segments of lane {} are missing", number)});
    }
  }
  return log;
}

Status read_salvaged(FileSystem& file_system, const SalvagedSegment& segment,
                     std::vector<RepairLoss>& losses,
                     const std::function<Status(Lsn lsn, Bytes payload)>& visit,
                     const std::function<Status()>& done) {
  const std::vector<std::byte> bytes = read_file(file_system, segment, losses);
  const std::size_t end = stated_end(segment.state).value_or(bytes.size());
  const Bytes frames = Bytes(bytes).first(std::min(bytes.size(), end));
  const std::uint32_t seed = record_seed(segment.state);
  Lsn last{segment.state.base_lsn.value - 1};
  std::size_t at = kSegmentDataOffset;
  bool behind_damage = false;
  while (at < frames.size()) {
    const wal::FrameRead frame = behind_damage ? wal::read_frame_at(frames, seed, at)
                                               : wal::read_next_frame(frames, seed, at, last);
    behind_damage = false;
    if (frame.fault == wal::FrameFault::kNone) {
      if (frame.kind == wal::FrameKind::kData) NACRE_TRY(visit(frame.first, frame.payload));
      if (frame.records > 0) last = frame.last();
      at = frame.next;
      continue;
    }
    const Gap gap = look_behind(frames, segment.state, at, last);
    if (!gap.is_damage) break;
    losses.push_back({.path = segment.path.string(),
                      .offset = at,
                      .bytes = gap.end - at,
                      .what = "the checksum of a record does not match"});
    if (!gap.goes_on) break;
    at = gap.end;
    behind_damage = true;
  }
  return done();
}

}  // namespace nacre::store
