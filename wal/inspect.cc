#include "wal/inspect.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "lib/base/try.h"
#include "mmap/file_view.h"
#include "mmap/segment_pool.h"
#include "pmem/media_guard.h"
#include "wal/lane_cursor.h"
#include "wal/lane_registry.h"

namespace nacre::wal {
namespace {

constexpr int kMaxLooks = 10;

std::uint64_t count_damaged_slots(FileSystem& file_system, const SegmentPool& pool,
                                  const std::vector<FoundSegment>& found) {
  std::uint64_t damaged = 0;
  for (const FoundSegment& segment : found) {
    const auto header = read_segment_header(file_system, pool.segment_path(segment.state.id));
    if (header && header->other_damaged) ++damaged;
  }
  return damaged;
}

/// One look at everything. `found`: the headers it went by.
Result<VerifyReport> look_at_lanes(FileSystem& file_system, SegmentPool& pool, Executor& executor,
                                   const std::filesystem::path& directory,
                                   const Superblock& superblock, const OnScanned& on_scanned,
                                   std::vector<FoundSegment>& found) {
  VerifyReport report;
  report.superblock = superblock;
  std::set<std::uint32_t> started;
  auto lanes = read_started_lanes(file_system, directory, superblock.uuid);
  if (lanes) {
    started = std::move(*lanes);
  } else {
    report.damage.push_back(lanes.error());
  }
  found = NACRE_TRY(pool.find_segments(report.damage));
  Findings findings = examine(pool, executor, found, started, on_scanned);
  report.scanned = findings.report;
  report.damage.insert(report.damage.end(), findings.problems.begin(), findings.problems.end());
  for (const auto& [lane, unused] : findings.lanes) report.lanes.push_back(lane);
  report.free_segments = static_cast<std::uint64_t>(std::ranges::count_if(
      found, [](const FoundSegment& s) { return s.state.use == SegmentUse::kFree; }));
  report.damaged_slots = count_damaged_slots(file_system, pool, found);
  return report;
}

}  // namespace

Result<VerifyReport> verify_lanes(FileSystem& file_system, Executor& executor,
                                  const std::filesystem::path& directory,
                                  const OnScanned& on_scanned) {
  const Superblock superblock = NACRE_TRY(read_superblock(file_system, directory));
  SegmentPool pool(file_system, nullptr, executor,
                   {.directory = directory / kSegmentDirectoryName,
                    .log_uuid = superblock.uuid,
                    .segment_bytes = superblock.segment_bytes,
                    .spare_segments = 0});
  for (int look = 0; look < kMaxLooks; ++look) {
    std::vector<FoundSegment> found;
    auto report = NACRE_TRY(
        look_at_lanes(file_system, pool, executor, directory, superblock, on_scanned, found));
    if (report.damage.empty()) return report;
    // A writer beside us may have given up a segment while we read it, or taken one that had been
    // looked at as free. Then a header has changed.
    std::vector<Error> unused;
    const auto now = NACRE_TRY(pool.find_segments(unused));
    if (std::ranges::equal(found, now, {}, &FoundSegment::state, &FoundSegment::state)) {
      return report;
    }
  }
  return Error(ErrorCode::kBusy,
               fmt::format("the log's segments changed during each of {} looks at it; look again "
                           "when its writer is less busy",
                           kMaxLooks))
      .with_path(directory.string());
}

Result<SegmentInspection> inspect_segment(FileSystem& file_system,
                                          const std::filesystem::path& path,
                                          const std::function<bool(const FrameRead&)>& visit) {
  SegmentInspection inspection;
  inspection.file_bytes = NACRE_TRY(file_system.stat(path)).bytes;
  const auto view =
      NACRE_TRY(FileView::open(file_system, path, inspection.file_bytes, ViewAccess::kOnDemand));
  const Bytes bytes = view->bytes();
  const auto guard = [&](auto&& body) -> Status {
    const std::byte* fault = pmem::catch_media_fault(bytes, body);
    if (fault == nullptr) return {};
    return unreadable_media(path, static_cast<std::uint64_t>(fault - bytes.data()));
  };
  // A copy, since what decodes it has more to clean up than may be left behind at a fault.
  std::array<std::byte, kSegmentDataOffset> header;
  const std::size_t header_bytes = std::min(bytes.size(), header.size());
  NACRE_TRY(guard([&]() noexcept { std::memcpy(header.data(), bytes.data(), header_bytes); }));
  inspection.header = NACRE_TRY(decode_segment_header(Bytes(header).first(header_bytes)));
  for (std::size_t slot = 0; slot < inspection.slots.size(); ++slot) {
    inspection.slots[slot] = decode_segment_slot(Bytes(header).subspan(slot * kSegmentSlotBytes));
  }
  const SegmentState& state = inspection.header.state;
  const std::uint32_t seed = record_seed(state);
  const bool stated = state.use == SegmentUse::kSealed || state.closed_cleanly;
  const std::size_t limit =
      stated ? std::min<std::size_t>(state.end_offset, bytes.size()) : bytes.size();
  const Lsn before{state.base_lsn.value - 1};
  NACRE_TRY(guard([&]() noexcept {
    inspection.scan = scan_segment(bytes, seed, kSegmentDataOffset, limit, before, nullptr);
    if (stated) return;
    inspection.tail = search_tail(
        bytes, seed, inspection.scan.end, inspection.scan.last, [](void*, std::size_t) noexcept {},
        nullptr);
  }));
  Lsn last = before;
  for (std::size_t offset = kSegmentDataOffset; offset < inspection.scan.end;) {
    FrameRead frame;
    NACRE_TRY(guard([&]() noexcept {
      frame = read_next_frame(bytes.first(inspection.scan.end), seed, offset, last);
    }));
    if (frame.fault != FrameFault::kNone || !visit(frame)) break;
    if (frame.records > 0) last = frame.last();
    offset = frame.next;
  }
  return inspection;
}

}  // namespace nacre::wal
