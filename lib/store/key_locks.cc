#include "lib/store/key_locks.h"

#include <bit>

namespace nacre::store {

KeyLocks::Guard KeyLocks::lock(Mask mask) noexcept NO_THREAD_SAFETY_ANALYSIS {
  for (Mask left = mask; left != 0; left &= left - 1) {
    locks_[static_cast<std::size_t>(std::countr_zero(left))].mutex.lock();
  }
  return {this, mask};
}

KeyLocks::Guard::~Guard() NO_THREAD_SAFETY_ANALYSIS {
  for (Mask left = mask_; left != 0; left &= left - 1) {
    owner_->locks_[static_cast<std::size_t>(std::countr_zero(left))].mutex.unlock();
  }
}

}  // namespace nacre::store
