// Group commit: one device write carries all that waits.

#include <fmt/format.h>

#include <algorithm>
#include <thread>
#include <utility>

#include "lib/base/assert.h"
#include "lib/base/try.h"
#include "wal/lane_core.h"

namespace nacre::wal {
namespace {

Error never_handed_out(Lsn lsn, Lsn last) {
  return Error(ErrorCode::kInvalidArgument,
               fmt::format("waiting for LSN {}, but the newest this lane has handed out is {}",
                           lsn.value, last.value))
      .with_lsn(lsn.value);
}

}  // namespace

Status LaneCore::wait(Lsn lsn) {
  if (durable_lsn() >= lsn) return {};
  if (options_.synchronous) return never_handed_out(lsn, durable_lsn());
  if (in_child()) return in_forked_child();
  bool callbacks_ready = false;
  Status outcome;
  {
    MutexLock lock(mutex_);
    if (lsn > last_lsn_) return never_handed_out(lsn, last_lsn_);
    ++waiters_;
    while (durable_lsn() < lsn && !error_.has_value()) {
      if (device_busy_) {
        changed_.wait(mutex_);
      } else {
        lead();
      }
    }
    --waiters_;
    if (durable_lsn() < lsn) outcome = *error_;
    // Nobody is left to lead what was submitted meanwhile without a waiter.
    if (waiters_ == 0 && !device_busy_ && pending() && !error_.has_value()) schedule_drive();
    callbacks_ready = !callbacks_.empty();
  }
  if (callbacks_ready) run_callbacks();
  return outcome;
}

void LaneCore::drain() {
  while (!error_.has_value() && (device_busy_ || pending())) {
    if (device_busy_) {
      changed_.wait(mutex_);
    } else {
      lead();
    }
  }
  while (device_busy_) changed_.wait(mutex_);
  // This thread may hold locks that a callback must not meet.
  if (!callbacks_.empty()) background_.run([this] { run_callbacks(); });
}

void LaneCore::seal_blocks() noexcept {
  const std::size_t end = align_up(tail_, options_.commit_granule);
  if (end == tail_) return;
  // An open claim begins at a block's start, so there is nothing to pad in front of it.
  NACRE_ASSERT(!claim_open_);
  const std::size_t gap = end - tail_;
  put_control_frame(FrameKind::kPad, tail_, gap - sizeof(FrameHeader), {});
  tail_ = end;
  // A lane that takes no more has its limit at the tail; the tail must not pass it.
  limit_ = std::max(limit_, tail_);
}

void LaneCore::lead() {
  NACRE_ASSERT(!device_busy_);
  if (!pending()) return;
  // The batch takes the blocks it has begun with it: once they are on their way nothing more is
  // put into them, because a block that carries acknowledged bytes is never written again.
  seal_blocks();
  const std::size_t begin = flush_begin_;
  const std::size_t end = tail_;
  const Lsn last = last_lsn_;
  const std::shared_ptr<LaneSegment> segment = active_;
  pmem::Region* const region = region_;
  flush_begin_ = end;
  device_busy_ = true;
  mutex_.unlock();

  const std::uint64_t begin_ns = options_.clock->monotonic_ns();
  Status committed;
  if (auto ticket = region->commit(begin, end); ticket) {
    committed = region->wait(*ticket);
  } else {
    committed = ticket.error();
  }
  options_.metrics->device_write_ns.record(options_.clock->monotonic_ns() - begin_ns);
  options_.metrics->device_written_bytes.fetch_add(end - begin, std::memory_order_relaxed);

  mutex_.lock();
  device_busy_ = false;
  if (committed) {
    // Durable before visible: the device has answered. Pairs with the acquire loads of readers.
    segment->durable_end.store(end, std::memory_order_release);
    durable_lsn_.store(last.value, std::memory_order_release);
  } else {
    // Whether the batch is on the media is unknown, and a retry that succeeds would prove nothing;
    // so the lane takes no more.
    poison(committed.error());
  }
  changed_.notify_all();
}

void LaneCore::drive_pending() {
  if (options_.synchronous || in_child()) return;
  MutexLock lock(mutex_);
  schedule_drive();
}

void LaneCore::schedule_drive() {
  if (driving_ || device_busy_) return;
  driving_ = true;
  background_.run([this] { drive(); });
}

void LaneCore::drive() {
  {
    MutexLock lock(mutex_);
    while (pending() && !error_.has_value()) {
      if (device_busy_) {
        changed_.wait(mutex_);
      } else {
        lead();
        if (!callbacks_.empty() && !running_callbacks_) {
          mutex_.unlock();
          run_callbacks();
          mutex_.lock();
        }
      }
    }
    driving_ = false;
  }
  run_callbacks();
}

Lsn LaneCore::newest_lsn() {
  MutexLock lock(mutex_);
  return last_lsn_;
}

void LaneCore::on_durable(Lsn lsn, DurableCallback callback) {
  if (durable_lsn() >= lsn) return callback({});
  if (options_.synchronous) return callback(never_handed_out(lsn, durable_lsn()));
  if (in_child()) return callback(in_forked_child());
  const Lsn newest = newest_lsn();
  if (lsn > newest) return callback(never_handed_out(lsn, newest));
  {
    MutexLock lock(mutex_);
    callbacks_.emplace(lsn.value, std::move(callback));
    if (pending() && !error_.has_value()) schedule_drive();
  }
  // It may have become durable, or impossible, between the first look and now.
  run_callbacks();
}

void LaneCore::run_callbacks() {
  MutexLock lock(mutex_);
  // One thread at a time, so that callbacks come in log order.
  if (running_callbacks_) return;
  running_callbacks_ = true;
  callback_thread_ = std::this_thread::get_id();
  while (!callbacks_.empty()) {
    const auto first = callbacks_.begin();
    const bool durable = durable_lsn().value >= first->first;
    if (!durable && !error_.has_value()) break;
    auto callback = std::move(first->second);
    callbacks_.erase(first);
    const Status outcome = durable ? Status() : Status(*error_);
    mutex_.unlock();
    callback(outcome);
    mutex_.lock();
  }
  running_callbacks_ = false;
  changed_.notify_all();
}

}  // namespace nacre::wal
