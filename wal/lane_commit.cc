// Group commit: one device write carries all that waits, and several are under way.

#include <fmt/format.h>

#include <algorithm>
#include <thread>
#include <utility>

#include "lib/base/assert.h"
#include "lib/base/try.h"
#include "wal/lane_core.h"

namespace nacre::wal {
namespace {

/// A batch leaves beside n others when it has n times as many bytes. A device takes longer for each
/// of several writes than for one, and more so when each begins with a flush of its cache. One
/// thread with 4096 records in flight (`./dev bench wal --filter commit_block_async`): 2.2 to 2.5 M
/// records a second at 4 KiB, 2.8 at 16, 2.7 to 3.0 at 32, 2.4 at 64.
constexpr std::size_t kBesideOthersBytes = 32768;
constexpr std::size_t kCallbacksAtOnce = 256;

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
  Status outcome;
  bool ready = false;
  Lsn durable;
  bool owes_drive = false;  // This thread has sent a batch, and not driven since.
  {
    MutexLock lock(mutex_);
    if (lsn > last_lsn_) return never_handed_out(lsn, last_lsn_);
    while (durable_lsn() < lsn) {
      if (const Error* error = hopeless(lsn)) {
        outcome = *error;
        break;
      }
      owes_drive = may_send();
      if (owes_drive) {
        send_batch(pmem::CommitDriver::kCaller);
      } else {
        await_batch(batch_of(lsn));
      }
    }
    ready = outcome && callbacks_ready();
    durable = durable_lsn();
  }
  // Others may wait for what was sent, and there may be nobody who drives: it is handed over.
  if (owes_drive) options_.domain->drive([] { return true; });
  // No more than are ready: others may go on to become so for as long as somebody submits.
  if (ready) run_callbacks(durable);
  return outcome;
}

void LaneCore::drain() {
  while ((pending() && !error_.has_value()) || !batches_.empty()) {
    if (may_send()) {
      send_batch(pmem::CommitDriver::kCaller);
    } else {
      await_batch(first_batch_);
    }
  }
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

/// Whether the open batch leaves now. Beside others it does so only when it is large enough to pay:
/// what it does not carry, the next one must.
bool LaneCore::may_send() const noexcept {
  if (!pending() || error_.has_value()) return false;
  if (batches_.empty()) return true;
  if (batches_.size() >= kMaxBatchesInFlight) return false;
  return tail_ - flush_begin_ >= batches_.size() * kBesideOthersBytes;
}

void LaneCore::send_batch(pmem::CommitDriver driver) {
  // The batch takes the blocks it has begun with it: once they are on their way nothing more is
  // put into them, because a block that carries acknowledged bytes is never written again.
  seal_blocks();
  const std::uint64_t number = first_batch_ + batches_.size();
  const std::size_t begin = flush_begin_;
  const std::size_t end = tail_;
  batches_.push_back(
      {.begin = begin, .end = end, .last = last_lsn_, .begin_ns = options_.clock->monotonic_ns()});
  flush_begin_ = end;
  open_waiters_ = 0;
  under_way_.fetch_add(1, std::memory_order_relaxed);
  pmem::Region* const region = region_;
  // A domain may call back at once. The region stays: no segment is left before its batches ended.
  mutex_.unlock();
  region->commit_then(begin, end, driver,
                      [this, number](const Status& outcome) { batch_ended(number, outcome); });
  mutex_.lock();
}

void LaneCore::batch_ended(std::uint64_t number, const Status& outcome) {
  MutexLock lock(mutex_);
  Batch& batch = batches_[number - first_batch_];
  batch.ended = true;
  options_.metrics->device_write_ns.record(options_.clock->monotonic_ns() - batch.begin_ns);
  options_.metrics->device_written_bytes.fetch_add(batch.end - batch.begin,
                                                   std::memory_order_relaxed);
  if (!outcome) {
    // Whether the batch is on the media is unknown, and a retry that succeeds would prove nothing;
    // so the lane takes no more. What lies before it may still become durable.
    batch.failed = true;
    const Lsn before =
        number == first_batch_ ? durable_lsn() : batches_[number - first_batch_ - 1].last;
    const Lsn bound = error_.has_value() ? std::min(hopeless_above_, before) : before;
    static_cast<void>(poison(outcome.error()));
    hopeless_above_ = bound;
  }
  retire_batches();
  if (may_send()) send_next();
  schedule_callbacks();
}

/// One that somebody waits for is sent by a waiter, who has to wake up first: those whose records
/// have just become durable come back meanwhile with their next ones, and ride along.
void LaneCore::send_next() {
  if (!batches_.empty() || open_waiters_ == 0) return send_batch(pmem::CommitDriver::kDomain);
  BatchWord& word = word_of(first_batch_);
  word.fetch_add(1, std::memory_order_release);
  word.notify_one();
}

/// Makes durable, in the log's order, what has ended, and wakes who waits for it.
void LaneCore::retire_batches() {
  while (!batches_.empty() && batches_.front().ended) {
    const Batch& batch = batches_.front();
    if (!batch.failed && hopeless(batch.last) == nullptr) {
      // Durable before visible: the device has answered. Pairs with the acquire loads of readers.
      active_->durable_end.store(batch.end, std::memory_order_release);
      durable_lsn_.store(batch.last.value, std::memory_order_release);
    }
    batches_.pop_front();
    under_way_.fetch_sub(1, std::memory_order_release);
    BatchWord& word = word_of(first_batch_);
    ++first_batch_;
    // Pairs with the acquire in `await_batch`.
    word.fetch_add(1, std::memory_order_release);
    word.notify_all();
  }
  if (!error_.has_value() || !batches_.empty()) return;
  // The open batch will never leave; it ends here.
  BatchWord& open = word_of(first_batch_);
  open.fetch_add(1, std::memory_order_release);
  open.notify_all();
}

std::uint64_t LaneCore::batch_of(Lsn lsn) const {
  std::uint64_t number = first_batch_;
  for (const Batch& batch : batches_) {
    if (lsn <= batch.last) break;
    ++number;
  }
  return number;
}

/// Returns when batch `number` has ended. Lets `mutex_` go meanwhile.
void LaneCore::await_batch(std::uint64_t number) {
  BatchWord& word = word_of(number);
  const std::uint32_t before = word.load(std::memory_order_relaxed);
  if (number == first_batch_ + batches_.size()) ++open_waiters_;
  mutex_.unlock();
  const auto ended = [&] { return word.load(std::memory_order_acquire) != before; };
  if (!options_.domain->drive(ended)) word.wait(before, std::memory_order_acquire);
  mutex_.lock();
}

const Error* LaneCore::hopeless(Lsn lsn) const noexcept {
  return error_.has_value() && lsn > hopeless_above_ ? &*error_ : nullptr;
}

void LaneCore::drive_pending() {
  if (options_.synchronous || in_child()) return;
  MutexLock lock(mutex_);
  send_unattended();
}

/// For a writer who will not wait. The first batch leaves from another thread, a moment later, and
/// takes along what is submitted until then; while one is under way, the next collects anyway.
void LaneCore::send_unattended() {
  if (!may_send()) return;
  if (!batches_.empty()) return send_batch(pmem::CommitDriver::kDomain);
  if (driving_) return;
  driving_ = true;
  background_.run([this] { drive(); });
}

/// Sends, and works on the device's queue, until nothing of this lane is left or somebody else is
/// at it; whoever is sends the rest.
void LaneCore::drive() {
  MutexLock lock(mutex_);
  bool mine = true;
  while (may_send() || (mine && !batches_.empty())) {
    if (may_send()) send_batch(pmem::CommitDriver::kCaller);
    mutex_.unlock();
    // Pairs with the release in `retire_batches`.
    const auto idle = [this] { return under_way_.load(std::memory_order_acquire) == 0; };
    mine = options_.domain->drive(idle);
    mutex_.lock();
  }
  driving_ = false;
}

void LaneCore::on_durable(Lsn lsn, DurableCallback callback) {
  const bool durable = durable_lsn() >= lsn;
  if (options_.synchronous) {
    return callback(durable ? Status() : Status(never_handed_out(lsn, durable_lsn())));
  }
  if (in_child()) return callback(durable ? Status() : Status(in_forked_child()));
  Status mistake;
  bool ready = false;
  {
    MutexLock lock(mutex_);
    if (lsn > last_lsn_) {
      mistake = never_handed_out(lsn, last_lsn_);
    } else {
      auto behind = callbacks_.end();
      while (behind != callbacks_.begin() && lsn < std::prev(behind)->lsn) --behind;
      callbacks_.insert(behind, {lsn, std::move(callback)});
      send_unattended();
      // Also one that is durable already comes behind those of earlier records, which another
      // thread may be calling.
      ready = callbacks_ready();
    }
  }
  if (!mistake) return callback(mistake);
  if (ready) run_callbacks(kEveryLsn);
}

/// Whether there is a callback to be called of an LSN up to `newest`.
bool LaneCore::callbacks_ready(Lsn newest) const {
  if (callbacks_.empty()) return false;
  const Lsn lsn = callbacks_.front().lsn;
  return lsn <= newest && (durable_lsn() >= lsn || hopeless(lsn) != nullptr);
}

/// Has the background run what is ready, unless that is seen to already.
void LaneCore::schedule_callbacks() {
  if (!callbacks_ready() || callbacks_scheduled_ || running_callbacks_) return;
  callbacks_scheduled_ = true;
  background_.run([this] { run_callbacks(kEveryLsn); });
}

/// Runs what is ready, up to `newest`; the background does the rest.
void LaneCore::run_callbacks(Lsn newest) {
  MutexLock lock(mutex_);
  callbacks_scheduled_ = false;
  // One thread at a time, so that callbacks come in log order.
  if (running_callbacks_) return;
  running_callbacks_ = true;
  callback_thread_ = std::this_thread::get_id();
  std::vector<Waiting> ready;
  while (callbacks_ready(newest)) {
    const Lsn durable = durable_lsn();
    while (callbacks_ready(newest) && ready.size() < kCallbacksAtOnce) {
      ready.push_back(std::move(callbacks_.front()));
      callbacks_.pop_front();
    }
    const std::optional<Error> error = error_;
    mutex_.unlock();
    for (Waiting& waiting : ready) {
      waiting.callback(waiting.lsn <= durable ? Status() : Status(*error));
    }
    ready.clear();
    mutex_.lock();
  }
  running_callbacks_ = false;
  schedule_callbacks();
  callbacks_ended_.notify_all();
}

}  // namespace nacre::wal
