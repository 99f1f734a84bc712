// Who drives, and what a driver does.

#include <pthread.h>

#include <algorithm>
#include <system_error>
#include <utility>

#include "lib/base/assert.h"
#include "lib/base/block_signals.h"
#include "lib/io/io_scheduler.h"

namespace nacre {
namespace {

/// So many completions are taken from the backend at once.
constexpr std::size_t kReapBatch = 64;

}  // namespace

IoScheduler::IoScheduler(std::shared_ptr<IoBackend> backend, Clock& clock, Options options)
    : backend_(std::move(backend)),
      clock_(clock),
      options_(std::move(options)),
      queue_(backend_->depth(), options_.queue, metrics_),
      reaped_(kReapBatch) {}

IoScheduler::~IoScheduler() { close(); }

/// Moves what the queue gives into the backend. One thread at a time; the one that is at it takes
/// along what others have queued meanwhile.
void IoScheduler::dispatch(bool reap_follows) {
  if (dispatching_) return;
  dispatching_ = true;
  do {
    picked_.clear();
    queue_.pick(now_ns_, picked_);
    if (picked_.empty()) break;
    if (waiting_for_room_ > 0) changed_.notify_all();
    mutex_.unlock();
    backend_->submit(picked_, reap_follows);
    mutex_.lock();
    queue_.note_submitted();
  } while (queue_.has_news());
  dispatching_ = false;
  wake_driver();
}

/// One turn of the thread that drives.
void IoScheduler::step() {
  dispatch(/*reap_follows=*/true);
  const std::uint64_t wait_ns = plan_wait();
  cancels_.clear();
  queue_.take_cancels(cancels_);
  mutex_.unlock();
  for (IoOperation* const operation : cancels_) backend_->cancel(*operation);
  const std::size_t count = backend_->reap(reaped_, wait_ns);
  const std::uint64_t now_ns = clock_.monotonic_ns();
  mutex_.lock();
  reap_ends_ns_ = 0;
  now_ns_ = std::max(now_ns_, now_ns);
  queue_.note_ended(std::span(reaped_).first(count), now_ns);
  queue_.expire(now_ns);
  call_back();
}

/// How long the driver may wait for the backend.
std::uint64_t IoScheduler::plan_wait() {
  if (queue_.has_ended()) return 0;
  reap_ends_ns_ = queue_.next_ns();
  if (reap_ends_ns_ == IoBackend::kForever) return IoBackend::kForever;
  now_ns_ = std::max(now_ns_, clock_.monotonic_ns());
  return reap_ends_ns_ - std::min(reap_ends_ns_, now_ns_);
}

void IoScheduler::call_back() {
  if (!queue_.has_ended()) return;
  queue_.take_ended(ended_);
  const std::size_t count = ended_.size();
  calling_back_ = std::this_thread::get_id();
  mutex_.unlock();
  for (IoEnded& ended : ended_) ended.done(std::move(ended.completion));
  ended_.clear();
  mutex_.lock();
  calling_back_ = {};
  under_way_ -= count;
  if (under_way_ == 0 && closed_) changed_.notify_all();
}

/// Gives the role to whoever needs it next. False when there is nobody, and requests are under way
/// that have been promised to make progress: then it stays.
bool IoScheduler::leave_role() {
  // What callbacks have queued since the last turn goes out before a thread has to wake up.
  dispatch(/*reap_follows=*/false);
  if (under_way_ > 0) {
    const auto next = std::ranges::find_if(
        sleepers_, [](const Sleeper* sleeper) { return sleeper->pending > 0; });
    if (next != sleepers_.end()) {
      (*next)->leads = true;
      (*next)->changed.notify_one();
      return true;
    }
    if (!call_own_thread() && options_.own_thread) return false;
  }
  driving_ = false;
  if (closed_ || waiting_for_room_ > 0) changed_.notify_all();
  return true;
}

void IoScheduler::wait(Sleeper& sleeper) {
  MutexLock lock(mutex_);
  while (sleeper.pending > 0) {
    if (driving_) {
      // Whoever drives may be asleep in the backend.
      dispatch(/*reap_follows=*/false);
      if (sleep(sleeper)) continue;
    }
    driving_ = true;
    sleeper.leads = false;
    for (;;) {
      while (sleeper.pending > 0) step();
      if (leave_role()) break;
      step();
    }
  }
}

/// False when the role has come to this thread.
bool IoScheduler::sleep(Sleeper& sleeper) {
  sleepers_.push_back(&sleeper);
  while (sleeper.pending > 0 && !sleeper.leads && driving_) sleeper.changed.wait(mutex_);
  std::erase(sleepers_, &sleeper);
  return !sleeper.leads;
}

void IoScheduler::expect(Sleeper& sleeper) {
  MutexLock lock(mutex_);
  ++sleeper.pending;
}

void IoScheduler::arrive(Sleeper& sleeper) {
  MutexLock lock(mutex_);
  if (--sleeper.pending == 0) sleeper.changed.notify_one();
}

bool IoScheduler::drive(const std::function<bool()>& done) {
  MutexLock lock(mutex_);
  if (driving_) {
    dispatch(/*reap_follows=*/false);
    return false;
  }
  driving_ = true;
  for (;;) {
    mutex_.unlock();
    const bool has_ended = done();
    mutex_.lock();
    if (has_ended && leave_role()) return true;
    step();
  }
}

bool IoScheduler::drive_until_idle() {
  MutexLock lock(mutex_);
  return drive_until_idle_locked();
}

bool IoScheduler::drive_until_idle_locked() {
  if (driving_) return false;
  driving_ = true;
  do {
    while (under_way_ > 0) step();
  } while (!leave_role());
  return true;
}

/// Wakes the own thread, or starts it; false when there is none.
bool IoScheduler::call_own_thread() {
  if (!options_.own_thread || no_thread_ || stopping_) return false;
  if (own_thread_.joinable()) {
    changed_.notify_all();
    return true;
  }
  const SignalsBlocked blocked;
  const auto work = [this] { drive_unattended(); };
  try {
    own_thread_ = options_.start_thread ? options_.start_thread(work) : std::thread(work);
  } catch (const std::system_error&) {
    no_thread_ = true;
    return false;
  }
  pthread_setname_np(own_thread_.native_handle(), "nacre-io");
  return true;
}

void IoScheduler::drive_unattended() {
  MutexLock lock(mutex_);
  while (!stopping_) {
    if (driving_ || under_way_ == 0) {
      changed_.wait(mutex_);
    } else {
      drive_until_idle_locked();
    }
  }
}

void IoScheduler::close() {
  std::thread thread;
  {
    MutexLock lock(mutex_);
    closed_ = true;
    changed_.notify_all();
    while (under_way_ > 0) {
      if (!drive_until_idle_locked()) changed_.wait(mutex_);
    }
    stopping_ = true;
    changed_.notify_all();
    thread.swap(own_thread_);
  }
  if (thread.joinable()) thread.join();
}

}  // namespace nacre
