#pragma once

// What becomes of requests in a child of the process that made their backend: threads, rings and
// the operations under way are the parent's, so each request of the child's ends with `closed`.
//
// Thread safety: every member may be called from any thread.

#include <cstddef>
#include <deque>
#include <span>

#include "lib/base/thread_annotations.h"
#include "lib/io/fork_guard.h"
#include "nacre/io.h"

namespace nacre {

class ForkedRequests {
 public:
  bool in_child() const noexcept { return guard_.in_child(); }

  void refuse(std::span<IoOperation* const> operations);
  /// For `reap`. Never waits: nothing else is going to end.
  std::size_t take(std::span<IoOperation*> ended);

 private:
  const ForkGuard guard_;
  Mutex mutex_;  // Taken in children alone, which thus find it free.
  std::deque<IoOperation*> refused_ GUARDED_BY(mutex_);
};

}  // namespace nacre
