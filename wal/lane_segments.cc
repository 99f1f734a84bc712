#include "wal/lane_segments.h"

#include <algorithm>
#include <iterator>

#include "lib/base/assert.h"

namespace nacre::wal {

std::shared_ptr<LaneSegment> LaneSegments::holding(Lsn lsn) const {
  MutexLock lock(mutex_);
  if (list_.empty()) return nullptr;
  const auto above = std::ranges::upper_bound(list_, lsn, {}, &LaneSegment::base_lsn);
  return above == list_.begin() ? list_.front() : *std::prev(above);
}

std::shared_ptr<LaneSegment> LaneSegments::after(std::uint64_t lane_sequence) const {
  MutexLock lock(mutex_);
  const auto next = std::ranges::upper_bound(list_, lane_sequence, {}, &LaneSegment::lane_sequence);
  // A reader whose own segment has been truncated away must not jump over what is missing.
  if (next == list_.end() || (*next)->lane_sequence != lane_sequence + 1) return nullptr;
  return *next;
}

std::uint64_t LaneSegments::first_kept(Lsn lsn) const {
  MutexLock lock(mutex_);
  NACRE_ASSERT(!list_.empty());
  // A segment may go when its successor already begins at or below `lsn`; the newest never goes.
  std::size_t kept = 0;
  while (kept + 1 < list_.size() && list_[kept + 1]->base_lsn <= lsn) ++kept;
  return list_[kept]->lane_sequence;
}

std::vector<std::shared_ptr<LaneSegment>> LaneSegments::take_below(std::uint64_t lane_sequence) {
  MutexLock lock(mutex_);
  const auto keep = std::ranges::lower_bound(list_, lane_sequence, {}, &LaneSegment::lane_sequence);
  std::vector<std::shared_ptr<LaneSegment>> taken(std::make_move_iterator(list_.begin()),
                                                  std::make_move_iterator(keep));
  list_.erase(list_.begin(), keep);
  return taken;
}

}  // namespace nacre::wal
