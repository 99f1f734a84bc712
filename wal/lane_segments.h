#pragma once

// The segments of one lane, oldest first, shared between its writer and its readers.
//
// Thread safety: LaneSegments' members may be called from any thread. Of a LaneSegment, the writer
// alone changes the atomics; everything else is fixed.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "lib/base/thread_annotations.h"
#include "mmap/segment.h"
#include "nacre/types.h"
#include "wal/sparse_index.h"

namespace nacre::wal {

struct LaneSegment {
  LaneSegment(std::shared_ptr<Segment> file, std::size_t end)
      : segment(std::move(file)),
        id(segment->state().id),
        seed(record_seed(segment->state())),
        lane_sequence(segment->state().lane_sequence),
        base_lsn(segment->state().base_lsn),
        index(segment->state().segment_bytes),
        durable_end(end) {}

  const std::shared_ptr<Segment> segment;
  const SegmentId id;
  const std::uint32_t seed;
  const std::uint64_t lane_sequence;
  const Lsn base_lsn;
  SparseIndex index;
  /// Frames before this offset are durable. Stored with release after they are, loaded with
  /// acquire by readers.
  std::atomic<std::size_t> durable_end;
  /// Set with release once the next segment is in the list and `durable_end` is final.
  std::atomic<bool> sealed{false};
};

class LaneSegments {
 public:
  std::shared_ptr<LaneSegment> oldest() const {
    MutexLock lock(mutex_);
    return list_.empty() ? nullptr : list_.front();
  }
  std::shared_ptr<LaneSegment> newest() const {
    MutexLock lock(mutex_);
    return list_.empty() ? nullptr : list_.back();
  }
  /// The segment that would hold `lsn`: the newest that begins at or before it, or the oldest.
  std::shared_ptr<LaneSegment> holding(Lsn lsn) const;
  /// The segment after the one with `lane_sequence`; null when it is the newest, or is gone itself.
  std::shared_ptr<LaneSegment> after(std::uint64_t lane_sequence) const;
  std::size_t count() const {
    MutexLock lock(mutex_);
    return list_.size();
  }

  void push(std::shared_ptr<LaneSegment> segment) {
    MutexLock lock(mutex_);
    list_.push_back(std::move(segment));
  }
  /// Sequence of the oldest segment that a lane keeps which gives up records below `lsn`.
  std::uint64_t first_kept(Lsn lsn) const;
  /// Takes out the segments below `lane_sequence`.
  std::vector<std::shared_ptr<LaneSegment>> take_below(std::uint64_t lane_sequence);

 private:
  mutable Mutex mutex_;
  std::vector<std::shared_ptr<LaneSegment>> list_ GUARDED_BY(mutex_);
};

}  // namespace nacre::wal
