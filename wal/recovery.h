#pragma once

// What a log's segments say after whatever happened: which records count, where each lane ends, and
// whether anything acknowledged is missing.
//
// Two steps. `examine` only reads, every segment in parallel, and either explains all of it or
// says what is wrong; then nothing has been changed, and the log is not opened. `mend` then writes
// what little must be written; after it a second recovery finds nothing to do.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "mmap/segment_pool.h"
#include "nacre/executor.h"
#include "nacre/result.h"
#include "nacre/wal.h"
#include "wal/lane_core.h"
#include "wal/lane_segments.h"
#include "wal/segment_scan.h"

namespace nacre::wal {

/// One lane as its segments show it.
struct LaneFindings {
  std::vector<std::shared_ptr<LaneSegment>> segments;  ///< Oldest first; frames are valid.
  std::uint64_t first_lane_sequence = 0;
  Lsn last_lsn;
  bool clean = true;               ///< The active segment was closed in order, or there is none.
  std::size_t unproven_begin = 0;  ///< In the active segment: the first frame not proven durable.
  std::vector<std::size_t> stale_frames;  ///< In the active segment, behind the end: torn, valid.
  std::uint64_t stale_bytes = 0;
  bool torn = false;
};

struct Findings {
  std::map<std::uint32_t, LaneFindings> lanes;
  std::vector<std::shared_ptr<Segment>> given_up;  ///< Truncated away, but not yet freed.
  Lsn last_lsn;                                    ///< Over all lanes.
  RecoveryReport report;
  /// Everything that keeps the log from being opened, in the order of lanes and segments:
  /// `corruption` (rot below acknowledged data, a missing or surplus segment; names segment and
  /// offset), `io` (unreadable media).
  std::vector<Error> problems;
};

/// One segment has been scanned, whatever was found in it.
struct ScannedSegment {
  std::size_t of_segments = 0;  ///< How many are scanned in all.
  std::uint64_t records = 0;    ///< Valid ones in this segment.
  std::uint64_t bytes = 0;      ///< Of those records.
};
/// Thread: those of the executor, several at once.
using OnScanned = std::function<void(const ScannedSegment&)>;

/// `found`: the headers of all segment files. `started`: the lanes that have had a segment.
/// `on_scanned`: called for each segment, for somebody who watches; may be empty.
Findings examine(SegmentPool& pool, Executor& executor, const std::vector<FoundSegment>& found,
                 const std::set<std::uint32_t>& started, const OnScanned& on_scanned = {});

/// What `mend` must know of the domain.
struct MendOptions {
  bool synchronous = true;
  bool survives_power_loss = true;
};

/// Removes what a torn tail left behind it, makes durable what was found, completes an interrupted
/// truncation or rotation. `findings` has no problems. Errors: `io`, `no_space`.
Status mend(Findings& findings, const MendOptions& options);

}  // namespace nacre::wal
