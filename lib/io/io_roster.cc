#include "lib/io/io_roster.h"

#include "lib/base/assert.h"

namespace nacre {

void IoRoster::enter(IoOperation* first) {
  NACRE_ASSERT(first != nullptr && "a null pointer was submitted as an operation");
  for (IoOperation* step = first; step != nullptr; step = step->next_in_chain) {
    NACRE_ASSERT(!step->in_flight && "an operation was submitted again before it was reaped");
    step->in_flight = true;
    step->backend = &backend_;
    ++count_;
  }
  NACRE_ASSERT(count_ <= depth_ && "more operations were submitted than the backend's depth()");
}

void IoRoster::leave(IoOperation& operation) noexcept {
  operation.in_flight = false;
  --count_;
}

bool IoRoster::has(const IoOperation& operation) const {
  NACRE_ASSERT(operation.backend == &backend_ &&
               "an operation was cancelled that was never submitted to this backend");
  return operation.in_flight;
}

}  // namespace nacre
