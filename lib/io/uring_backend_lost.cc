// A ring that is forbidden while it is in use.

#include "lib/base/assert.h"
#include "lib/io/uring_backend.h"
#include "lib/io/uring_marks.h"

namespace nacre {

/// The kernel refuses calls on the ring. What it has not begun ends, and so does all that comes
/// later; what it has begun ends by itself, as it may still write into the caller's memory.
void UringBackend::lose_ring(int sys_errno) {
  lost_ = Error(ErrorCode::kIo,
                "io_uring was forbidden while it was in use; allow io_uring_enter "
                "in the sandbox, or use an engine of POSIX calls")
              .with_errno(sys_errno);
  NACRE_ASSERT(!ring_->abilities().kernel_polls_submissions &&
               "io_uring was forbidden while a thread of the kernel's looked for submissions");
  for (const std::uint64_t mark : ring_->take_back_untaken()) {
    if (mark == kBellMark) {
      bell_armed_ = false;
    } else if (mark == kCancelMark) {
      --cancels_;
    } else if (auto& step = *reinterpret_cast<UringStep*>(mark); step.first->run_first == &step) {
      --runs_;
      end_run(*step.first);
      step.operation.outcome = refusal(step.operation.request);
      step.operation.transferred = 0;
      move_on(step);
    }
  }
  NACRE_ASSERT(
      (runs_ == 0 || !ring_->abilities().deferred) &&
      "io_uring was forbidden while operations were under way that end in its calls alone");
}

}  // namespace nacre
