#include "lib/store/log_replay.h"

#include <algorithm>
#include <atomic>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include "lib/base/try.h"
#include "lib/store/write_log.h"
#include "mmap/segment_format.h"
#include "wal/lane_core.h"
#include "wal/lane_cursor.h"
#include "wal/lane_segments.h"

namespace nacre::store {
namespace {

/// The records of a lane with LSNs from `first` up to `last`, and what became of them.
struct Stretch {
  std::uint32_t lane = 0;
  const wal::LaneSegments* segments = nullptr;
  Lsn first;
  Lsn last{std::numeric_limits<std::uint64_t>::max()};
  std::uint64_t records = 0;
  std::optional<Error> error = {};
};

/// Where the stretches of a lane begin whose records from `first` on are wanted.
std::vector<Lsn> beginnings(const wal::LaneSegments& segments, Lsn first,
                            std::size_t stretch_bytes) {
  std::vector<Lsn> found{first};
  for (auto segment = segments.holding(first); segment != nullptr;
       segment = segments.after(segment->lane_sequence)) {
    auto frame = segment->index.at_or_behind(kSegmentDataOffset);
    while (frame) {
      if (frame->lsn > found.back()) found.push_back(frame->lsn);
      frame = segment->index.at_or_behind(frame->offset + stretch_bytes);
    }
  }
  return found;
}

/// In the order in which one thread would go through them.
std::vector<Stretch> stretches_of(wal::LaneSet& set, Lsn above, std::size_t stretch_bytes) {
  std::vector<Stretch> all;
  for (std::uint32_t number = kManifestLane + 1; number < set.lane_count(); ++number) {
    const wal::LaneCore& lane = set.lane(number);
    if (lane.segments().oldest() == nullptr) continue;
    const Lsn first{std::max(above.value + 1, lane.first_lsn().value)};
    const std::vector<Lsn> begin = beginnings(lane.segments(), first, stretch_bytes);
    for (std::size_t i = 0; i < begin.size(); ++i) {
      Stretch& one = all.emplace_back();
      one.lane = number;
      one.segments = &lane.segments();
      one.first = begin[i];
      if (i + 1 < begin.size()) one.last = Lsn{begin[i + 1].value - 1};
    }
  }
  return all;
}

class Replay {
 public:
  Replay(std::vector<Stretch> stretches, const ReplayVisitor& visit)
      : stretches_(std::move(stretches)), visit_(visit) {}

  void run(Executor& executor) {
    // A short log is read before another thread has woken.
    if (stretches_.size() == 1) {
      run_one(0);
      return;
    }
    TaskGroup group(executor);
    for (std::size_t i = 0; i < stretches_.size(); ++i) {
      group.run([this, i] { run_one(i); });
    }
    group.wait();
  }

  Result<std::uint64_t> result() const {
    std::uint64_t records = 0;
    for (const Stretch& one : stretches_) {
      if (one.error) return *one.error;
      records += one.records;
    }
    return records;
  }

 private:
  void run_one(std::size_t index) {
    const Status read = read_stretch(index);
    if (read) return;
    stretches_[index].error = read.error();
    std::size_t failed = failed_.load(std::memory_order_relaxed);
    while (index < failed &&
           !failed_.compare_exchange_weak(failed, index, std::memory_order_relaxed)) {
    }
  }

  Status read_stretch(std::size_t index) {
    Stretch& stretch = stretches_[index];
    auto cursor = NACRE_TRY(wal::LaneCursor::open(*stretch.segments, stretch.first));
    const void* shown = nullptr;
    while (!is_given_up(index) && NACRE_TRY(cursor->next())) {
      const RecordView& record = cursor->record();
      if (record.lsn > stretch.last) break;
      const SegmentPin& pin = cursor->pin();
      NACRE_TRY(visit_({.sequence = Sequence::of(record.lsn, stretch.lane),
                        .record = record.payload,
                        .pin = pin,
                        .pin_was_shown = pin.memory.get() == shown}));
      shown = pin.memory.get();
      stretch.records += 1;
    }
    return {};
  }

  /// A stretch goes on when one behind it has failed: its own error would be the one to tell.
  bool is_given_up(std::size_t index) const noexcept {
    return failed_.load(std::memory_order_relaxed) < index;
  }

  std::vector<Stretch> stretches_;
  const ReplayVisitor& visit_;
  std::atomic<std::size_t> failed_{std::numeric_limits<std::size_t>::max()};  // The first.
};

}  // namespace

Result<std::uint64_t> replay_log(wal::LaneSet& set, Lsn above, Executor& executor,
                                 const ReplayVisitor& visit, std::size_t stretch_bytes) {
  Replay replay(stretches_of(set, above, stretch_bytes), visit);
  replay.run(executor);
  return replay.result();
}

}  // namespace nacre::store
