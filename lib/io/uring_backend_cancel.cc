// Calling operations back.

#include <algorithm>
#include <utility>

#include "lib/io/uring_backend.h"
#include "lib/io/uring_marks.h"

namespace nacre {

void UringBackend::cancel(IoOperation& operation) {
  if (forked_.in_child()) return;
  check_thread();
  MutexLock lock(mutex_);
  if (!roster_.has(operation)) return;
  UringStep& first = UringStep::of(operation);
  if (first.ended) return;
  first.cancel_asked = true;
  if (first.run_first == nullptr) return;
  let_reaper_submit();
  if (first.cancel_next == nullptr) send_cancels(first, first.run_first);
  submit_entries();
}

/// Asks the kernel to call back what it has of a chain, `from` there on; what is too much at a time
/// is asked for when a request before it has been answered.
void UringBackend::send_cancels(UringStep& first, UringStep* from) {
  // A ring that polls takes reads and writes alone.
  if (first.run_first == nullptr || ring_->abilities().polls_device) return;
  const std::size_t bound = std::min(kUringCancels, wishes_.depth);
  // Which of the linked steps runs is not known.
  for (UringStep* step = from; step != nullptr; step = step->next) {
    if (cancels_ == bound) {
      first.cancel_next = step;
      return cancels_due_.push_back(&first);
    }
    io_uring_sqe& sqe = ring_->next_sqe(kCancelMark);
    sqe.opcode = IORING_OP_ASYNC_CANCEL;
    sqe.addr = mark_of(*step);
    ++cancels_;
    if (step == first.run_last) break;
  }
}

void UringBackend::send_due_cancels() {
  const std::size_t bound = std::min(kUringCancels, wishes_.depth);
  while (!cancels_due_.empty() && cancels_ < bound) {
    UringStep& first = *cancels_due_.front();
    cancels_due_.pop_front();
    send_cancels(first, std::exchange(first.cancel_next, nullptr));
  }
}

}  // namespace nacre
