#pragma once

// Goes through what of a store's log is in no table, when the store is opened: by tasks side by
// side, for its lanes and for stretches of a lane. One writer uses one lane alone.
//
// Records come in no order but that of their stretch. Who visits them must not mind: sequences say
// which came first.

#include <cstddef>
#include <cstdint>
#include <functional>

#include "lib/store/entry.h"
#include "mmap/segment.h"
#include "nacre/executor.h"
#include "nacre/result.h"
#include "nacre/types.h"
#include "wal/lane_set.h"

namespace nacre::store {

/// Of a lane, about so much is one task's.
inline constexpr std::size_t kStretchBytes = std::size_t{4} << 20;

struct ReplayedRecord {
  Sequence sequence;
  Bytes record;
  /// The record stays where it is while a copy of this is held.
  const SegmentPin& pin;
  /// Whether it is of another record in the same stretch, shown before.
  bool pin_was_shown = false;
};

/// Called by several threads at once, where `executor` has any.
using ReplayVisitor = std::function<Status(const ReplayedRecord&)>;

/// Visits every record of a write that is above `above`, and returns how many there were. When some
/// fail, tells the error that going through all lanes one behind the other would have met,
/// whichever task is first. `stretch_bytes`: of 1 at least. Errors: the visitor's; as
/// nacre::LaneReader::next.
Result<std::uint64_t> replay_log(wal::LaneSet& set, Lsn above, Executor& executor,
                                 const ReplayVisitor& visit,
                                 std::size_t stretch_bytes = kStretchBytes);

}  // namespace nacre::store
