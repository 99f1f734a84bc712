#pragma once

// Several requests, and one wait for all of them.
//
// Thread safety: one thread at a time, and not from a callback of the scheduler's.

#include <cstddef>
#include <deque>
#include <vector>

#include "lib/io/io_scheduler.h"
#include "nacre/io.h"

namespace nacre {

class IoBatch {
 public:
  /// `scheduler` outlives it.
  explicit IoBatch(IoScheduler& scheduler) : scheduler_(scheduler) {}
  /// Waits for what has been added.
  ~IoBatch() { static_cast<void>(wait()); }
  IoBatch(const IoBatch&) = delete;
  IoBatch& operator=(const IoBatch&) = delete;

  /// Queues a request; it begins at the latest when `wait` is called. Waits, as IoScheduler::submit
  /// does, while the queue is full. Returns its place in what `wait` returns.
  std::size_t add(IoRequest request);
  /// Tries to call back all that have been added, as IoScheduler::cancel does.
  void cancel();
  /// Waits until all have ended; returns how, in the order they were added. Empties the batch.
  /// Errors, in the completions: those of IoScheduler::submit.
  std::vector<IoCompletion> wait();

  std::size_t size() const noexcept { return completions_.size(); }

 private:
  IoScheduler& scheduler_;
  IoScheduler::Sleeper sleeper_;
  std::deque<IoCompletion> completions_;  // A deque, for their addresses stay.
  std::vector<IoTicket> tickets_;
};

}  // namespace nacre
