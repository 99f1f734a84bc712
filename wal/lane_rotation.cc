// How a lane moves through its segments: first use, rotation, truncation, close.

#include <fmt/format.h>

#include <utility>

#include "lib/base/assert.h"
#include "lib/base/try.h"
#include "wal/lane_core.h"

namespace nacre::wal {
namespace {

Error log_closed() {
  return Error(ErrorCode::kClosed, "the log is closed; open it again to write");
}

/// What a lane answers once `error` has poisoned it. That a device was full stays no reason to try
/// again: what the failed write left in the lane's own space is not known.
Error lasting(const Error& error) {
  if (error.code() != ErrorCode::kNoSpace) return error;
  Error kept = Error(ErrorCode::kIo,
                     "the device was full when a write went into space that the log had reserved, "
                     "and this lane takes no more; free some space, close the log and open it "
                     "again")
                   .with_errno(error.sys_errno())
                   .with_path(error.path());
  if (const auto offset = error.offset()) kept = std::move(kept).with_offset(*offset);
  return kept;
}

}  // namespace

Error in_forked_child() {
  return Error(
      ErrorCode::kClosed,
      "this process was forked from the one that opened the log, which goes on writing it; "
      "open the log in the child once the parent has closed it");
}

Status LaneCore::check_usable() const {
  if (in_child()) return in_forked_child();
  if (error_.has_value()) return *error_;
  if (closed_.load(std::memory_order_relaxed)) return log_closed();
  return {};
}

Status LaneCore::check_open() const {
  NACRE_TRY(check_usable());
  if (claim_open_) {
    return Error(ErrorCode::kInvalidArgument,
                 "a claim of this lane is open; commit or drop it before the next append");
  }
  return {};
}

Status LaneCore::make_room(std::size_t frame) {
  NACRE_TRY(check_open());
  if (active_ != nullptr && !writing_started_) NACRE_TRY(start_writing());
  if (active_ == nullptr || exhausted_ || frame > options_.segment_bytes - tail_) {
    NACRE_TRY(rotate());
  }
  // When the note fails, for want of room say, the segment stays, and the next append tries again.
  if (!noted_ && options_.on_started) NACRE_TRY(options_.on_started(options_.lane));
  noted_ = true;
  limit_ = options_.segment_bytes;
  NACRE_ASSERT(frame <= limit_ - tail_);
  return {};
}

Status LaneCore::start_writing() {
  MutexLock lock(header_mutex_);
  NACRE_TRY(active_->segment->map(pmem::MapContent::kKeep));
  region_ = active_->segment->region();
  SegmentState state = active_->segment->state();
  const bool may_be_torn = !state.closed_cleanly;
  if (state.closed_cleanly || state.unsynced == options_.survives_power_loss) {
    // The mark says where the log ends. It must be gone, durably, before the log grows: otherwise
    // recovery would take the new records for rot. Likewise it must be known that what follows
    // does not survive power loss, before any of it is there.
    state.unsynced = !options_.survives_power_loss;
    state.closed_cleanly = false;
    state.end_offset = 0;
    state.end_lsn = Lsn{};
    if (Status cleared = active_->segment->write_state(state); !cleared) {
      return poison(cleared.error());
    }
  }
  writing_started_ = true;
  if (tail_ % kBlockBytes != 0) return resume();
  return may_be_torn ? spoil_tail() : Status();
}

/// Takes the checksum, durably, from a record that a crash may have torn where the next one goes.
/// Words or sectors that the two have in common could make it whole, if a crash tore the next one
/// as well: a record that the recovery in between has not found.
Status LaneCore::spoil_tail() {
  if (tail_ == options_.segment_bytes) return {};
  static_assert(offsetof(FrameHeader, crc) == 0);
  region_->store_u64(tail_, 0);
  Result<pmem::Ticket> ticket = region_->commit(tail_, tail_ + sizeof(std::uint64_t));
  const Status committed = ticket ? region_->wait(*ticket) : Status(ticket.error());
  return committed ? Status() : Status(poison(committed.error()));
}

/// Goes on in the next block, behind a frame that says so.
///
/// The block around the tail is never written again, in any domain: it carries records that were
/// acknowledged, or shown to somebody by the last recovery, and perhaps, behind the tail, what a
/// torn device write left of later ones.
Status LaneCore::resume() {
  const std::size_t block = align_up(tail_, kBlockBytes);
  exhausted_ = block == options_.segment_bytes;
  if (exhausted_) return {};
  ResumePayload payload{};
  payload.previous_end = tail_;
  const std::size_t after = block + frame_bytes(sizeof payload);
  const std::size_t next = align_up(after, options_.commit_granule);
  put_control_frame(FrameKind::kResume, block, sizeof payload,
                    std::as_bytes(std::span(&payload, 1)));
  if (next > after) {
    put_control_frame(FrameKind::kPad, after, next - after - sizeof(FrameHeader), {});
  }
  // Durable before the first record behind it is even written: so when such a record is found, a
  // resume frame that is missing has rotted, and was not merely torn. In the memory domains the
  // commit is the fence that what was streamed waits for.
  Result<pmem::Ticket> ticket = region_->commit(block, next);
  Status committed = ticket ? region_->wait(*ticket) : Status(ticket.error());
  if (!committed) return poison(committed.error());
  flush_begin_ = next;
  tail_ = next;
  limit_ = next;
  // Durable, so the log ends behind it, also when no record follows before it is closed.
  active_->durable_end.store(next, std::memory_order_release);
  return {};
}

/// Making one takes as long as the file system likes; meanwhile batches end and others leave.
Result<std::shared_ptr<Segment>> LaneCore::take_segment() {
  if (options_.synchronous) return pool_.take();
  mutex_.unlock();
  auto taken = pool_.take();
  mutex_.lock();
  return taken;
}

Status LaneCore::rotate() {
  // Taking a segment comes first: when there is no room for one, nothing has changed, and the next
  // append tries again.
  auto fresh = NACRE_TRY(take_segment());
  if (!options_.synchronous) {
    drain();
    if (Status open = check_open(); !open) {
      fresh->retire();
      return open;
    }
  }
  MutexLock lock(header_mutex_);
  Status rotated = seal_active(fresh->state().id);
  if (rotated) rotated = activate(std::move(fresh));
  return rotated ? rotated : poison(rotated.error());
}

Status LaneCore::seal_active(SegmentId next) {
  const auto newest = segments_.newest();
  if (newest == nullptr) return {};
  SegmentState state = newest->segment->state();
  if (active_ != nullptr) {
    state.use = SegmentUse::kSealed;
    state.closed_cleanly = false;
    state.end_offset = tail_;
    state.end_lsn = last_lsn_;
  }
  state.next = next;
  // The seal must be durable before the next segment is active: it says that everything here was
  // durable, so that recovery can tell rot from a torn tail.
  return newest->segment->write_state(state);
}

Status LaneCore::activate(std::shared_ptr<Segment> fresh) {
  const auto previous = segments_.newest();
  SegmentState state = fresh->state();
  state.use = SegmentUse::kActive;
  state.closed_cleanly = false;
  // A new generation: what the last use left there no longer validates.
  state.generation += 1;
  state.unsynced = !options_.survives_power_loss;
  state.lane = options_.lane;
  state.lane_sequence = previous == nullptr ? 0 : previous->lane_sequence + 1;
  state.first_lane_sequence = first_lane_sequence_;
  state.base_lsn = Lsn{last_lsn_.value + 1};
  state.end_offset = 0;
  state.end_lsn = Lsn{};
  state.next = SegmentId{};
  // Durable before the first frame is written: without it the frames would not be found.
  NACRE_TRY(fresh->write_state(state));
  options_.metrics->segments_begun.fetch_add(1, std::memory_order_relaxed);

  const auto old_active = std::move(active_);
  active_ = std::make_shared<LaneSegment>(std::move(fresh), kSegmentDataOffset);
  region_ = active_->segment->region();
  seed_ = active_->seed;
  tail_ = kSegmentDataOffset;
  limit_ = tail_;
  flush_begin_ = tail_;
  next_index_offset_ = 0;
  writing_started_ = true;
  exhausted_ = false;
  segments_.push(active_);
  if (old_active != nullptr) {
    // Only now may a reader that reached the end there look for the next one.
    old_active->sealed.store(true, std::memory_order_release);
    old_active->segment->unmap_image();
  }
  // Larger segments ask for their successor later; see `advance`.
  if (options_.segment_bytes <= 2 * SparseIndex::kStrideBytes) pool_.prepare();
  return {};
}

Error LaneCore::poison(const Error& error) noexcept {
  if (!error_.has_value()) {
    error_ = lasting(error);
    hopeless_above_ = durable_lsn();
    options_.metrics->poisoned_lanes.fetch_add(1, std::memory_order_relaxed);
  }
  limit_ = tail_;
  return *error_;
}

Status LaneCore::truncate(Lsn lsn) {
  if (in_child()) return in_forked_child();
  std::vector<std::shared_ptr<LaneSegment>> given_up;
  {
    MutexLock lock(header_mutex_);
    if (closed_.load(std::memory_order_relaxed)) return log_closed();
    const auto newest = segments_.newest();
    if (newest == nullptr) return {};
    const std::uint64_t first = segments_.first_kept(lsn);
    if (first <= first_lane_sequence_) return {};
    SegmentState state = newest->segment->state();
    state.first_lane_sequence = first;
    // The newest header must say durably that the lane begins later before an older segment goes;
    // otherwise recovery would miss it.
    NACRE_TRY(newest->segment->write_state(state));
    first_lane_sequence_ = first;
    given_up = segments_.take_below(first);
  }
  for (const auto& segment : given_up) segment->segment->retire();
  return {};
}

Lsn LaneCore::first_lsn() const {
  const auto oldest = segments_.oldest();
  return oldest == nullptr ? Lsn{durable_lsn().value + 1} : oldest->base_lsn;
}

void LaneCore::refuse_writes() {
  const auto refuse = [this] {
    closed_.store(true, std::memory_order_relaxed);
    limit_ = tail_;
  };
  if (options_.synchronous) return refuse();
  MutexLock lock(mutex_);
  refuse();
}

Status LaneCore::close() {
  refuse_writes();
  if (!options_.synchronous) {
    {
      MutexLock lock(mutex_);
      // A callback that closes its own log would wait for itself.
      NACRE_ASSERT(!running_callbacks_ || callback_thread_ != std::this_thread::get_id());
      drain();
    }
    // This thread may hold locks that a callback must not meet.
    {
      MutexLock lock(mutex_);
      schedule_callbacks();
    }
    background_.wait();
    // Callbacks may run on a thread of the caller's as well, one that waited for a record, and
    // leaves the rest to the background.
    MutexLock lock(mutex_);
    while (running_callbacks_ || callbacks_scheduled_) callbacks_ended_.wait(mutex_);
  }
  // A truncation beside us, which came before writes were refused, may be writing the header.
  MutexLock lock(header_mutex_);
  if (error_.has_value()) return *error_;
  if (active_ == nullptr || active_->segment->state().closed_cleanly) return {};
  SegmentState state = active_->segment->state();
  state.closed_cleanly = true;
  state.end_offset = active_->durable_end.load(std::memory_order_relaxed);
  state.end_lsn = last_lsn_;
  return active_->segment->write_state(state);
}

}  // namespace nacre::wal
