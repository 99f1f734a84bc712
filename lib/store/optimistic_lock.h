#pragma once

// A lock whose readers store nothing: they note its version, read, and look whether the version is
// still the same. V. Leis, M. Haubenschild, T. Neumann, "Optimistic Lock Coupling", IEEE Data
// Engineering Bulletin 42(1), 2019.
//
// What it guards is made of atomics. A writer stores them with release, a reader loads them with
// acquire: a reader that has met one store of a writer then also sees that the lock was taken
// before it. On x86 both are plain moves, and unlike fences they are known to ThreadSanitizer.
//
// Thread safety: every member may be called from any thread.

#include <atomic>
#include <cstdint>

namespace nacre::store {

class OptimisticLock {
 public:
  /// The version, which is even. Waits while a writer is at work: some tens of nanoseconds, or
  /// until the kernel runs it again.
  std::uint64_t begin_read() const noexcept {
    const std::uint64_t version = word_.load(std::memory_order_acquire);
    return (version & 1) == 0 ? version : wait();
  }
  /// True when nothing was changed since `begin_read` returned `version`: what was read in between
  /// belongs together.
  bool unchanged_since(std::uint64_t version) const noexcept {
    return word_.load(std::memory_order_relaxed) == version;
  }

  /// Locks, if nothing was changed since.
  bool try_lock(std::uint64_t version) noexcept {
    return word_.compare_exchange_strong(version, version + 1, std::memory_order_acquire,
                                         std::memory_order_relaxed);
  }
  void unlock() noexcept {
    word_.store(word_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
  }

 private:
  std::uint64_t wait() const noexcept;

  std::atomic<std::uint64_t> word_{0};
};

}  // namespace nacre::store
