#include "lib/store/optimistic_lock.h"

#include <thread>

namespace nacre::store {
namespace {

/// Longer than any change of a node takes on a processor of its own.
constexpr int kSpins = 200;

void pause_briefly() noexcept {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

}  // namespace

std::uint64_t OptimisticLock::wait() const noexcept {
  for (int spins = 0;; ++spins) {
    const std::uint64_t version = word_.load(std::memory_order_acquire);
    if ((version & 1) == 0) return version;
    if (spins < kSpins) {
      pause_briefly();
    } else {
      std::this_thread::yield();
    }
  }
}

}  // namespace nacre::store
