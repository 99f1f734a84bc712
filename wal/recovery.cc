#include "wal/recovery.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <string>
#include <utility>

#include "lib/base/assert.h"
#include "lib/base/try.h"
#include "pmem/media_guard.h"
#include "wal/lane_cursor.h"

namespace nacre::wal {
namespace {

Error lane_error(ErrorCode code, std::uint32_t lane, const std::string& what,
                 const std::filesystem::path& path) {
  return Error(code, fmt::format("lane {}: {}; nothing was changed; restore the directory from a "
                                 "copy",
                                 lane, what))
      .with_path(path.string());
}

/// One segment's part of the scan.
struct SegmentFindings {
  std::shared_ptr<LaneSegment> segment;
  std::size_t slot = 0;  ///< The header slot that counts.
  SegmentScan scan;
  bool goes_on = false;  ///< Closed cleanly, and yet a frame follows the stated end.
  std::vector<std::size_t> stale_frames;  ///< Valid ones behind the end.
  TailSearch tail;
  bool torn = false;
  std::optional<Error> error;
};

FrameRead stopped_at(const SegmentScan& scan) {
  FrameRead frame;
  frame.fault = scan.fault;
  frame.offset = scan.end;
  return frame;
}

/// A sealed or cleanly closed segment says where it ends; all of it had been durable.
std::optional<Error> check_stated_end(const SegmentFindings& found, const SegmentState& state) {
  const bool whole = found.scan.end >= state.end_offset && found.scan.last == state.end_lsn;
  if (whole && !found.goes_on) return std::nullopt;
  if (whole) {
    // The clean mark is durably gone before the log grows, so this header is not the newest.
    return Error(ErrorCode::kCorruption,
                 fmt::format("the header says that the log was closed at {}, but later records "
                             "follow: the newer header slot is damaged; nothing was changed; "
                             "restore the file from a copy",
                             state.end_offset))
        .with_path(found.segment->segment->path().string())
        .with_offset((1 - found.slot) * kSegmentSlotBytes);
  }
  return damaged_frame(stopped_at(found.scan), found.segment->segment->path(), found.scan.last);
}

std::optional<Error> check_tail(const SegmentFindings& found) {
  if (found.tail.exhausted) {
    return Error(ErrorCode::kCorruption,
                 "what follows the last record cannot be told from acknowledged data that have "
                 "rotted; nothing was changed; restore the segment from a copy")
        .with_path(found.segment->segment->path().string())
        .with_offset(found.scan.end);
  }
  if (!found.tail.proves_rot) return std::nullopt;
  return damaged_frame(stopped_at(found.scan), found.segment->segment->path(), found.scan.last);
}

/// A frame that failed its checksum is torn when a writer of this use began it: what an earlier use
/// left has a lower LSN, or validates under the generation before.
bool torn_here(Bytes segment, const SegmentState& state, const SegmentScan& scan) noexcept {
  if (scan.fault != FrameFault::kChecksum) return false;
  FrameHeader header;
  std::memcpy(&header, segment.data() + scan.end, sizeof header);
  SegmentState before = state;
  before.generation -= 1;
  return header.lsn > scan.last.value &&
         read_frame_at(segment, record_seed(before), scan.end).fault != FrameFault::kNone;
}

/// Scans one segment. Runs on any thread.
Status scan(SegmentFindings& found) {
  Segment& segment = *found.segment->segment;
  const SegmentState& state = segment.state();
  const bool end_is_stated = state.use == SegmentUse::kSealed || state.closed_cleanly;
  if (end_is_stated &&
      (state.end_offset < kSegmentDataOffset || state.end_offset > state.segment_bytes)) {
    return Error(ErrorCode::kCorruption,
                 "the header states an impossible end; restore the file "
                 "from a copy")
        .with_path(segment.path().string());
  }
  const SegmentPin pin = NACRE_TRY(segment.pin(ViewAccess::kWhole));
  const std::size_t limit = end_is_stated ? state.end_offset : state.segment_bytes;
  const Lsn before{state.base_lsn.value - 1};
  const std::byte* fault = pmem::catch_media_fault(pin.bytes, [&]() noexcept {
    found.scan = scan_segment(pin.bytes, found.segment->seed, kSegmentDataOffset, limit, before,
                              &found.segment->index);
    if (end_is_stated) {
      found.goes_on =
          state.use == SegmentUse::kActive &&
          read_next_frame(pin.bytes, found.segment->seed, found.scan.end, found.scan.last).fault ==
              FrameFault::kNone;
      return;
    }
    found.tail = search_tail(
        pin.bytes, found.segment->seed, found.scan.end, found.scan.last,
        [](void* context, std::size_t offset) noexcept {
          static_cast<std::vector<std::size_t>*>(context)->push_back(offset);
        },
        &found.stale_frames);
    found.torn = found.tail.frames > 0 || torn_here(pin.bytes, state, found.scan);
  });
  if (fault != nullptr) {
    return unreadable_media(segment.path(), static_cast<std::uint64_t>(fault - pin.bytes.data()));
  }
  auto error = end_is_stated ? check_stated_end(found, state) : check_tail(found);
  if (error) return *std::move(error);
  found.segment->durable_end.store(found.scan.end, std::memory_order_relaxed);
  return {};
}

/// Scans again when a writer beside us may have filled in what was missing at the first look.
Status scan_patiently(SegmentFindings& found) {
  constexpr int kLooks = 3;
  Status status;
  for (int look = 0; look < kLooks; ++look) {
    SegmentFindings fresh;
    fresh.segment = std::make_shared<LaneSegment>(found.segment->segment, kSegmentDataOffset);
    fresh.slot = found.slot;
    status = scan(fresh);
    // A log of a thousand segments must not keep a thousand mappings.
    found.segment->segment->drop_view();
    const bool moved = look == 0 || fresh.scan.end != found.scan.end;
    found = std::move(fresh);
    if (status || !moved) break;
  }
  return status;
}

/// Sorts the lane's segments, sets aside those it has given up, and finds gaps.
std::vector<FoundSegment> order_lane(SegmentPool& pool, std::uint32_t lane,
                                     std::vector<FoundSegment> segments,
                                     std::vector<FoundSegment>& given_up,
                                     std::vector<Error>& problems) {
  std::ranges::sort(segments, {}, [](const FoundSegment& s) { return s.state.lane_sequence; });
  const SegmentState& newest = segments.back().state;
  const std::uint64_t first = newest.first_lane_sequence;
  if (first > newest.lane_sequence) {
    // Taken at its word, it would give up every segment, itself among them.
    problems.push_back(lane_error(ErrorCode::kCorruption, lane,
                                  "the newest segment says that the lane begins behind it",
                                  pool.segment_path(newest.id)));
    return segments;
  }
  std::vector<FoundSegment> kept;
  for (const FoundSegment& segment : segments) {
    (segment.state.lane_sequence < first ? given_up : kept).push_back(segment);
  }
  std::uint64_t expected = first;
  for (const FoundSegment& segment : kept) {
    const SegmentState& state = segment.state;
    const auto complain = [&](const std::string& what) {
      problems.push_back(
          lane_error(ErrorCode::kCorruption, lane, what, pool.segment_path(state.id)));
    };
    if (state.lane_sequence < expected) {
      complain(fmt::format("two segments claim place {}", state.lane_sequence));
    } else if (state.lane_sequence > expected) {
      complain(fmt::format("{} segment(s) are missing in front of this one",
                           state.lane_sequence - expected));
    }
    if (state.lane_sequence != kept.back().state.lane_sequence &&
        state.use != SegmentUse::kSealed) {
      complain("a segment that is not the newest is not sealed");
    }
    expected = state.lane_sequence + 1;
  }
  return kept;
}

/// The newest segment names a successor that no lane uses: either the crash came before the
/// successor was activated, or the successor has been lost.
Status check_successor(SegmentPool& pool, std::uint32_t lane, const SegmentState& newest,
                       const std::map<std::uint64_t, SegmentUse>& all) {
  if (newest.use != SegmentUse::kSealed || newest.next == SegmentId{}) return {};
  if (all.contains(newest.next.value)) return {};
  return lane_error(ErrorCode::kCorruption, lane,
                    fmt::format("the segment that follows, {}, is missing",
                                pool.segment_path(newest.next).filename().string()),
                    pool.segment_path(newest.id));
}

void add_to_report(RecoveryReport& report, const SegmentFindings& found) {
  report.segments += 1;
  report.records += found.scan.records;
  report.bytes += found.scan.frame_bytes;
  report.discarded_bytes += found.tail.bytes;
}

LaneFindings conclude(std::vector<SegmentFindings*> scanned, std::uint64_t first_lane_sequence) {
  LaneFindings lane;
  lane.first_lane_sequence = first_lane_sequence;
  for (SegmentFindings* found : scanned) {
    lane.segments.push_back(found->segment);
    lane.last_lsn = found->scan.last;
    found->segment->sealed.store(found != scanned.back(), std::memory_order_relaxed);
  }
  SegmentFindings& newest = *scanned.back();
  const SegmentState& state = newest.segment->segment->state();
  if (state.use == SegmentUse::kActive && !state.closed_cleanly) {
    lane.clean = false;
    lane.unproven_begin = newest.scan.unproven;
    lane.stale_frames = std::move(newest.stale_frames);
    lane.stale_bytes = newest.tail.bytes;
    lane.torn = newest.torn;
  }
  return lane;
}

/// A header that reverted to "free" because its newer slot has rotted would hide a whole segment:
/// then the first frame of the lost use is still there.
Status check_free_segment(SegmentPool& pool, const FoundSegment& found) {
  auto segment = pool.open(found);
  const SegmentPin pin = NACRE_TRY(segment->pin());
  SegmentState next = found.state;
  next.generation += 1;
  FrameRead frame;
  const std::byte* fault = pmem::catch_media_fault(pin.bytes, [&]() noexcept {
    frame = read_frame_at(pin.bytes, record_seed(next), kSegmentDataOffset);
  });
  if (fault != nullptr || frame.fault != FrameFault::kNone) return {};
  return Error(ErrorCode::kCorruption,
               "the header says that this segment is free, but it holds records of a later use: "
               "the newer header slot is damaged; nothing was changed; restore the file from a "
               "copy")
      .with_path(segment->path().string())
      .with_offset((1 - found.slot) * kSegmentSlotBytes);
}

}  // namespace

Findings examine(SegmentPool& pool, Executor& executor, const std::vector<FoundSegment>& found,
                 const std::set<std::uint32_t>& started, const OnScanned& on_scanned) {
  Findings findings;
  const auto note = [&findings](const Status& status) {
    if (!status) findings.problems.push_back(status.error());
  };
  findings.report.threads = executor.parallelism();
  std::map<std::uint32_t, std::vector<FoundSegment>> by_lane;
  std::map<std::uint64_t, SegmentUse> all;
  for (const FoundSegment& segment : found) {
    all.emplace(segment.state.id.value, segment.state.use);
    if (segment.state.use == SegmentUse::kFree) {
      note(check_free_segment(pool, segment));
    } else {
      by_lane[segment.state.lane].push_back(segment);
    }
  }
  for (const std::uint32_t lane : started) {
    if (!by_lane.contains(lane)) {
      note(lane_error(ErrorCode::kCorruption, lane, "all of its segments are missing",
                      pool.segment_path(SegmentId{1}).parent_path()));
    }
  }

  std::vector<FoundSegment> given_up;
  std::vector<std::unique_ptr<SegmentFindings>> scans;
  std::map<std::uint32_t, std::vector<SegmentFindings*>> scans_by_lane;
  for (auto& [lane, segments] : by_lane) {
    const auto kept = order_lane(pool, lane, std::move(segments), given_up, findings.problems);
    note(check_successor(pool, lane, kept.back().state, all));
    for (const FoundSegment& segment : kept) {
      auto& scanned = scans.emplace_back(std::make_unique<SegmentFindings>());
      scanned->segment = std::make_shared<LaneSegment>(pool.open(segment), kSegmentDataOffset);
      scanned->slot = segment.slot;
      scans_by_lane[lane].push_back(scanned.get());
    }
  }
  {
    TaskGroup group(executor);
    for (auto& scanned : scans) {
      group.run([&one = *scanned, &on_scanned, of_segments = scans.size()] {
        if (Status status = scan_patiently(one); !status) one.error = status.error();
        if (on_scanned) on_scanned({of_segments, one.scan.records, one.scan.frame_bytes});
      });
    }
    group.wait();
  }
  for (const auto& [lane, scanned] : scans_by_lane) {
    for (SegmentFindings* one : scanned) {
      if (one->error) findings.problems.push_back(*one->error);
      add_to_report(findings.report, *one);
    }
    const std::uint64_t first = scanned.back()->segment->segment->state().first_lane_sequence;
    LaneFindings concluded = conclude(scanned, first);
    findings.last_lsn = std::max(findings.last_lsn, concluded.last_lsn);
    findings.report.torn_tails += concluded.torn ? 1 : 0;
    findings.lanes.emplace(lane, std::move(concluded));
  }
  for (const FoundSegment& segment : given_up) findings.given_up.push_back(pool.open(segment));
  findings.report.clean_shutdown =
      std::ranges::all_of(findings.lanes, [](const auto& lane) { return lane.second.clean; });
  return findings;
}

namespace {

/// Puts zeros over the headers of `frames`, in ascending order, behind the end of the log. They
/// were never acknowledged, but still validate: left alone, they would join the log as soon as new
/// frames reach them.
Status erase_frames(pmem::Region& region, const std::vector<std::size_t>& frames, std::size_t end) {
  static constexpr std::array<std::byte, kFrameAlignment> kZeros{};
  // Durable before the lane takes appends: only then may a new frame come to lie before one.
  const auto commit = [&region](std::size_t begin, std::size_t past) -> Status {
    if (begin == past) return {};
    const pmem::Ticket ticket = NACRE_TRY(region.commit(begin, past));
    return region.wait(ticket);
  };
  // The block around the end carries records that count and is not touched; frames in it cannot be
  // reached, because the log goes on in the next block.
  const std::size_t first = align_up(end, kBlockBytes);
  std::size_t begin = first;
  std::size_t past = first;
  for (const std::size_t frame : frames) {
    if (frame < first) continue;
    region.copy(frame, kZeros);
    // Frames that share a block share its write.
    const std::size_t block = frame / kBlockBytes * kBlockBytes;
    if (block > past) {
      NACRE_TRY(commit(begin, past));
      begin = block;
    }
    past = block + kBlockBytes;
  }
  return commit(begin, past);
}

/// What was written in a domain that does not survive power loss is made durable before anything is
/// acknowledged, behind it, in one that does.
Status make_durable(const LaneFindings& lane) {
  for (const auto& segment : lane.segments) {
    SegmentState state = segment->segment->state();
    if (!state.unsynced) continue;
    NACRE_TRY(segment->segment->sync_file());
    state.unsynced = false;
    NACRE_TRY(segment->segment->write_state(state));
  }
  return {};
}

Status mend_lane(LaneFindings& lane, const MendOptions& options) {
  if (options.survives_power_loss) NACRE_TRY(make_durable(lane));
  LaneSegment& newest = *lane.segments.back();
  const SegmentState state = newest.segment->state();
  if (state.use == SegmentUse::kSealed && state.next != SegmentId{}) {
    // The successor was never activated and may be used by somebody else.
    SegmentState alone = state;
    alone.next = SegmentId{};
    return newest.segment->write_state(alone);
  }
  if (lane.clean) return {};
  const std::size_t end = newest.durable_end.load(std::memory_order_relaxed);
  if (options.synchronous || !lane.stale_frames.empty()) {
    NACRE_TRY(newest.segment->map(pmem::MapContent::kKeep));
    NACRE_TRY(erase_frames(*newest.segment->region(), lane.stale_frames, end));
  }
  // The last records may have been read from a cache, the processor's or the device's, that a power
  // cut would lose. They are about to be shown, so they must be durable first.
  if (!options.synchronous) return newest.segment->sync_file();
  pmem::Region& region = *newest.segment->region();
  region.flush(lane.unproven_begin, end - lane.unproven_begin);
  region.fence();
  // So must the header that says whose they are: what is appended next relies on it.
  return newest.segment->settle();
}

}  // namespace

Status mend(Findings& findings, const MendOptions& options) {
  NACRE_ASSERT(findings.problems.empty());
  for (auto& [number, lane] : findings.lanes) {
    NACRE_TRY(mend_lane(lane, options));
  }
  for (const auto& segment : findings.given_up) {
    // The newest header, which gave this one up, must be durable before it is freed: an older one
    // would find it missing.
    LaneFindings& lane = findings.lanes.at(segment->state().lane);
    NACRE_TRY(lane.segments.back()->segment->settle());
    segment->retire();
  }
  findings.given_up.clear();
  return {};
}

}  // namespace nacre::wal
