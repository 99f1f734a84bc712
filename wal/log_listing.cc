#include "wal/log_listing.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "lib/base/try.h"
#include "mmap/segment_pool.h"
#include "mmap/superblock.h"
#include "wal/lane_registry.h"

namespace nacre::wal {
namespace {

/// A writer would have to begin a segment between any two of so many looks.
constexpr int kMaxLooks = 100;

std::vector<SegmentState> segments_of(const LogListing& listing, std::uint32_t lane) {
  std::vector<SegmentState> segments;
  for (const SegmentState& state : listing.segments) {
    if (state.use != SegmentUse::kFree && state.lane == lane) segments.push_back(state);
  }
  std::ranges::sort(segments, {}, &SegmentState::lane_sequence);
  if (segments.empty()) return segments;
  const std::uint64_t first = segments.back().first_lane_sequence;
  std::erase_if(segments, [first](const SegmentState& s) { return s.lane_sequence < first; });
  return segments;
}

Error missing(const std::string& what, const std::filesystem::path& path) {
  return Error(ErrorCode::kCorruption,
               fmt::format("{}; run `nacre verify` on the directory, and restore it from a copy",
                           what))
      .with_path(path.string());
}

/// What of the lane is not there, if anything, going by `listing`, from which `segments` come.
std::optional<Error> find_gap(const LogLocation& log, std::uint32_t lane, const LogListing& listing,
                              const std::vector<SegmentState>& segments) {
  if (segments.empty()) {
    if (!listing.started.contains(lane)) return std::nullopt;
    return missing(fmt::format("all segments of lane {} are missing", lane), log.directory);
  }
  std::uint64_t expected = segments.back().first_lane_sequence;
  for (const SegmentState& state : segments) {
    if (state.lane_sequence < expected) {
      return missing(fmt::format("lane {}: two segments claim place {}", lane, state.lane_sequence),
                     log.segment_path(state.id));
    }
    if (state.lane_sequence > expected) {
      return missing(fmt::format("lane {}: {} segment(s) are missing in front of this one", lane,
                                 state.lane_sequence - expected),
                     log.segment_path(state.id));
    }
    if (&state != &segments.back() && state.use != SegmentUse::kSealed) {
      return missing(
          fmt::format("lane {}: a segment that is not the newest is not sealed: the newer "
                      "slot of its header is damaged",
                      lane),
          log.segment_path(state.id));
    }
    ++expected;
  }
  const SegmentState& newest = segments.back();
  const bool goes_on = newest.use == SegmentUse::kSealed && newest.next != SegmentId{};
  if (goes_on && std::ranges::find(listing.segments, newest.next, &SegmentState::id) ==
                     listing.segments.end()) {
    return missing(fmt::format("lane {}: the segment that follows, {}, is missing", lane,
                               segment_file_name(newest.next)),
                   log.segment_path(newest.id));
  }
  return std::nullopt;
}

}  // namespace

std::filesystem::path LogLocation::segment_path(SegmentId id) const {
  return directory / kSegmentDirectoryName / segment_file_name(id);
}

Result<LogListing> list_log(FileSystem& file_system, const LogLocation& log) {
  LogListing listing;
  // The lanes first: a lane is noted here once it has a segment, and then always has one.
  listing.started = NACRE_TRY(read_started_lanes(file_system, log.directory, log.log_uuid));
  const std::filesystem::path segments = log.directory / kSegmentDirectoryName;
  for (const std::string& name : NACRE_TRY(file_system.list_directory(segments))) {
    if (segment_id_of(name) == SegmentId{}) continue;
    const auto header = read_segment_header(file_system, segments / name);
    if (!header && header.error().code() == ErrorCode::kNotFound) continue;
    if (!header) return header.error();
    if (header->state.id != segment_id_of(name)) {
      return missing(
          fmt::format("the file is {} by its header", segment_file_name(header->state.id)),
          segments / name);
    }
    if (header->state.log_uuid == log.log_uuid) listing.segments.push_back(header->state);
  }
  return listing;
}

Result<std::vector<SegmentState>> find_lane(FileSystem& file_system, const LogLocation& log,
                                            std::uint32_t lane, const LogListing& first_look) {
  auto segments = segments_of(first_look, lane);
  auto gap = find_gap(log, lane, first_look, segments);
  for (int look = 1; gap && look < kMaxLooks; ++look) {
    // The headers were read one by one, and a writer may have gone on in between: taken a file that
    // had been looked at as free, or given one up. Then a second look sees something else. What is
    // missing from two looks that agree is missing.
    const LogListing listing = NACRE_TRY(list_log(file_system, log));
    auto again = segments_of(listing, lane);
    const bool agree = again == segments;
    segments = std::move(again);
    gap = find_gap(log, lane, listing, segments);
    if (gap && agree) return *gap;
  }
  if (!gap) return segments;
  return Error(
             ErrorCode::kBusy,
             fmt::format("lane {} changed between any two of {} looks; try again", lane, kMaxLooks))
      .with_path(log.directory.string());
}

}  // namespace nacre::wal
