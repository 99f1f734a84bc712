#include "lib/io/posix_pool.h"

#include <algorithm>
#include <system_error>

#include "lib/base/assert.h"
#include "lib/base/block_signals.h"
#include "lib/io/io_calls.h"
#include "lib/io/io_errors.h"

namespace nacre {
namespace {

/// A longer operation would keep the reaping thread from what ends meanwhile.
constexpr std::size_t kMaxInlineBytes = std::size_t{256} << 10;

void cancel_from(IoOperation* step) {
  for (; step != nullptr; step = step->next_in_chain) {
    step->outcome = cancelled_by_chain(step->request);
    step->transferred = 0;
  }
}

void run_chain(FileSystem& file_system, IoOperation& first) noexcept {
  for (IoOperation* step = &first; step != nullptr; step = step->next_in_chain) {
    carry_out(file_system, *step);
    if (!step->outcome) return cancel_from(step->next_in_chain);
  }
}

}  // namespace

PosixPool::PosixPool(const IoBackend& backend, FileSystem& file_system, std::size_t depth,
                     std::size_t threads)
    : file_system_(file_system), max_threads_(threads), roster_(backend, depth) {}

PosixPool::~PosixPool() {
  std::vector<std::thread> workers;
  {
    MutexLock lock(mutex_);
    NACRE_ASSERT(queue_.empty() && running_ == 0 && done_.empty());
    stopping_ = true;
    queued_.notify_all();
    workers.swap(workers_);
  }
  for (std::thread& worker : workers) worker.join();
}

void PosixPool::submit(std::span<IoOperation* const> operations, bool reap_follows) {
  MutexLock lock(mutex_);
  for (IoOperation* const first : operations) roster_.enter(first);
  queue_.insert(queue_.end(), operations.begin(), operations.end());
  if (!reap_follows) ended_.notify_one();
  find_workers(/*here=*/may_run_here() ? 1 : 0);
}

/// Wakes or starts as many workers as the queue needs, when `here` of it runs on the thread that
/// reaps.
void PosixPool::find_workers(std::size_t here) {
  const std::size_t needed = queue_.size() - here;
  for (std::size_t i = 0; i < std::min(needed, idle_workers_); ++i) queued_.notify_one();
  const std::size_t missing = needed - std::min(needed, idle_workers_);
  for (std::size_t i = 0; i < missing; ++i) {
    if (no_more_workers_ || workers_.size() >= max_threads_) return;
    const SignalsBlocked blocked;
    try {
      workers_.emplace_back([this] { work(); });
    } catch (const std::system_error&) {
      // With the threads there are, or with none: then the one that reaps does all the work.
      no_more_workers_ = true;
    }
  }
}

/// Whether the thread that reaps takes the front of the queue itself.
bool PosixPool::may_run_here() const {
  if (queue_.empty()) return false;
  if (workers_.empty() && (max_threads_ == 0 || no_more_workers_)) return true;
  if (queue_.size() > 1 || running_ > 0) return false;
  const IoRequest& request = queue_.front()->request;
  const bool waited_for =
      request.io_class == IoClass::kForegroundRead || request.io_class == IoClass::kLog;
  return waited_for && request.transfer_bytes() <= kMaxInlineBytes;
}

void PosixPool::run_front() {
  IoOperation* const first = queue_.front();
  queue_.pop_front();
  ++running_;
  mutex_.unlock();
  run_chain(file_system_, *first);
  mutex_.lock();
  --running_;
  for (IoOperation* step = first; step != nullptr; step = step->next_in_chain) {
    done_.push_back(step);
  }
}

void PosixPool::work() {
  MutexLock lock(mutex_);
  while (!stopping_) {
    if (queue_.empty()) {
      ++idle_workers_;
      queued_.wait(mutex_);
      --idle_workers_;
    } else {
      run_front();
      ended_.notify_one();
    }
  }
}

std::size_t PosixPool::reap(std::span<IoOperation*> ended, std::uint64_t wait_ns) {
  NACRE_ASSERT(!ended.empty());
  MutexLock lock(mutex_);
  bool waited = false;
  while (done_.empty() && !woken_) {
    // A thread that does not want to wait runs nothing either, if somebody else can.
    const bool last_look = (wait_ns == 0 && max_threads_ > 0) || waited;
    if (!last_look && may_run_here()) {
      run_front();
    } else {
      // What was left to this thread may need a worker now.
      find_workers(/*here=*/0);
      if (wait_ns == 0 || waited) return 0;
      if (wait_ns == IoBackend::kForever) {
        ended_.wait(mutex_);
      } else {
        ended_.wait_for(mutex_, wait_ns);
        waited = true;
      }
    }
  }
  woken_ = false;
  return take_ended(ended);
}

std::size_t PosixPool::take_ended(std::span<IoOperation*> ended) {
  const std::size_t count = std::min(ended.size(), done_.size());
  std::copy_n(done_.begin(), count, ended.begin());
  for (IoOperation* const operation : ended.first(count)) roster_.leave(*operation);
  done_.erase(done_.begin(), done_.begin() + static_cast<std::ptrdiff_t>(count));
  return count;
}

void PosixPool::wake() noexcept {
  MutexLock lock(mutex_);
  woken_ = true;
  ended_.notify_one();
}

void PosixPool::cancel(IoOperation& operation) {
  MutexLock lock(mutex_);
  if (!roster_.has(operation)) return;
  const auto at = std::find(queue_.begin(), queue_.end(), &operation);
  // What has begun ends as it ends: no call takes a read or a write back from the kernel.
  if (at == queue_.end()) return;
  queue_.erase(at);
  operation.outcome = cancelled_by_caller(operation.request);
  operation.transferred = 0;
  cancel_from(operation.next_in_chain);
  for (IoOperation* step = &operation; step != nullptr; step = step->next_in_chain) {
    done_.push_back(step);
  }
  ended_.notify_one();
}

}  // namespace nacre
