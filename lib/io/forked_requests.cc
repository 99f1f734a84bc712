#include "lib/io/forked_requests.h"

#include <algorithm>

#include "lib/io/io_errors.h"

namespace nacre {

void ForkedRequests::refuse(std::span<IoOperation* const> operations) {
  MutexLock lock(mutex_);
  for (IoOperation* const first : operations) {
    for (IoOperation* step = first; step != nullptr; step = step->next_in_chain) {
      step->outcome = with_place(
          Error(ErrorCode::kClosed,
                "the engine for file I/O belongs to the process this one was forked from; make one "
                "of its own"),
          step->request);
      step->transferred = 0;
      refused_.push_back(step);
    }
  }
}

std::size_t ForkedRequests::take(std::span<IoOperation*> ended) {
  MutexLock lock(mutex_);
  const std::size_t count = std::min(ended.size(), refused_.size());
  const auto end = refused_.begin() + static_cast<std::ptrdiff_t>(count);
  std::copy(refused_.begin(), end, ended.begin());
  refused_.erase(refused_.begin(), end);
  return count;
}

}  // namespace nacre
