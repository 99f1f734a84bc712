#include "lib/io/io_scheduler.h"

#include <algorithm>
#include <string>
#include <utility>

#include "lib/base/assert.h"
#include "lib/io/io_errors.h"

namespace nacre {
namespace {

Error closed_error() {
  return Error(ErrorCode::kClosed, "the engine for file I/O has been closed");
}

}  // namespace

IoTicket IoScheduler::submit(IoRequest request, IoCallback done, IoDriver driver) {
  return enqueue(std::span(&request, 1), nullptr, std::move(done), driver);
}

IoTicket IoScheduler::submit_chain(std::vector<IoRequest> steps, const IoRequest* undo,
                                   IoCallback done, IoDriver driver) {
  NACRE_ASSERT(!steps.empty() && steps.size() <= std::min(kMaxChain, backend_->depth()));
  NACRE_ASSERT(undo == nullptr || undo->buffers.empty());
  return enqueue(steps, undo, std::move(done), driver);
}

IoTicket IoScheduler::enqueue(std::span<IoRequest> steps, const IoRequest* undo, IoCallback done,
                              IoDriver driver) {
  const std::uint64_t now_ns = clock_.monotonic_ns();
  IoTicket ticket;
  bool alone = false;
  {
    MutexLock lock(mutex_);
    if (!calls_back_here()) wait_for_room(steps.front().io_class);
    ticket = add(steps, undo, std::move(done), now_ns);
    alone = !attend(driver);
  }
  if (alone) drive_until_idle();
  return ticket;
}

void IoScheduler::fail(IoRequest request, const Error& error, IoCallback done, IoDriver driver) {
  const std::uint64_t now_ns = clock_.monotonic_ns();
  bool alone = false;
  {
    MutexLock lock(mutex_);
    now_ns_ = std::max(now_ns_, now_ns);
    ++under_way_;
    queue_.add_failed(std::span(&request, 1), nullptr, std::move(done), error, now_ns);
    alone = !attend(driver);
  }
  if (alone) drive_until_idle();
}

Result<IoTicket> IoScheduler::try_submit(IoRequest& request, IoCallback& done, IoDriver driver) {
  const std::uint64_t now_ns = clock_.monotonic_ns();
  IoTicket ticket;
  bool alone = false;
  {
    MutexLock lock(mutex_);
    if (closed_) return with_place(closed_error(), request);
    if (queue_.is_full(request.io_class)) {
      return with_place(
          Error(ErrorCode::kBusy, "as many requests wait as the queue takes; try again later"),
          request);
    }
    ticket = add(std::span(&request, 1), nullptr, std::move(done), now_ns);
    alone = !attend(driver);
  }
  if (alone) drive_until_idle();
  return ticket;
}

IoTicket IoScheduler::add(std::span<IoRequest> steps, const IoRequest* undo, IoCallback done,
                          std::uint64_t now_ns) {
  now_ns_ = std::max(now_ns_, now_ns);
  ++under_way_;
  if (!closed_) return queue_.add(steps, undo, std::move(done), now_ns);
  const Error refusal = with_place(closed_error(), steps.front());
  return queue_.add_failed(steps, undo, std::move(done), refusal, now_ns);
}

/// Sees to it that what has been queued makes progress. False when the caller has to drive: there
/// is nobody else.
bool IoScheduler::attend(IoDriver driver) {
  // Whoever calls back goes on driving, and submits what was queued in the call of the kernel in
  // which it waits; so does a caller that drives next.
  if (calls_back_here() || driver == IoDriver::kCaller) return true;
  dispatch(/*reap_follows=*/false);
  if (driving_) {
    wake_driver();
    return true;
  }
  if (under_way_ == 0 || call_own_thread()) return true;
  // What was refused is told even where all driving is left to callers.
  return !options_.own_thread && !closed_;
}

/// A thread that reaps looks up when there is something else to do.
void IoScheduler::wake_driver() {
  const bool sleeps = reap_ends_ns_ != 0;
  if (!sleeps) return;
  if (queue_.has_ended() || queue_.has_cancels() || queue_.next_ns() < reap_ends_ns_) {
    backend_->wake();
  }
}

bool IoScheduler::calls_back_here() const { return calling_back_ == std::this_thread::get_id(); }

void IoScheduler::wait_for_room(IoClass io_class) {
  while (!closed_ && queue_.is_full(io_class)) {
    if (driving_) {
      ++waiting_for_room_;
      changed_.wait(mutex_);
      --waiting_for_room_;
    } else {
      driving_ = true;
      do {
        step();
      } while (!leave_role());
    }
  }
}

void IoScheduler::cancel(IoTicket ticket) {
  const std::uint64_t now_ns = clock_.monotonic_ns();
  MutexLock lock(mutex_);
  queue_.cancel(ticket, now_ns);
  // The backend is told by the thread that reaps: what that thread has not seen end is still there.
  if (driving_) {
    wake_driver();
  } else if (queue_.has_ended() || queue_.has_cancels()) {
    call_own_thread();
  }
}

IoCompletion IoScheduler::run(IoRequest request) {
  IoCompletion result;
  Sleeper sleeper;
  sleeper.pending = 1;
  submit(
      std::move(request),
      [&](IoCompletion completion) {
        result = std::move(completion);
        arrive(sleeper);
      },
      IoDriver::kCaller);
  wait(sleeper);
  return result;
}

void IoScheduler::write_io_metrics(PrometheusWriter& writer) {
  {
    MutexLock lock(mutex_);
    for (std::size_t i = 0; i < kIoClasses; ++i) {
      const auto io_class = static_cast<IoClass>(i);
      metrics_.classes[i].queued.set(queue_.queued(io_class));
      metrics_.classes[i].in_flight.set(queue_.in_flight(io_class));
    }
  }
  writer.gauge("nacre_io_engine_info", "1; the label names the engine for file I/O.");
  writer.sample({{"engine", std::string(backend_->info().name)}}, 1);
  metrics_.write(writer);
}

}  // namespace nacre
