#include "lib/io/io_entry.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace nacre {

// The first failure is the chain's; the steps behind it only say that it came.
IoCompletion completion_of(IoEntry& entry) {
  IoCompletion completion;
  for (std::size_t i = 0; i < entry.used; ++i) {
    IoOperation& step = *entry.steps[i];
    if (completion.buffers.empty()) {
      completion.buffers = std::move(step.request.buffers);
    } else {
      std::ranges::move(step.request.buffers, std::back_inserter(completion.buffers));
    }
    step.request.buffers.clear();
    if (!completion.status) continue;
    completion.status = std::move(step.outcome);
    completion.bytes = step.transferred;
  }
  return completion;
}

}  // namespace nacre
