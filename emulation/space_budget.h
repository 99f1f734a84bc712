#pragma once

// How much the files of a FaultFileSystem may still grow.
//
// Thread safety: every member may be called from any thread. While a budget is set, operations that
// change a file's size run one at a time, so that no two of them count the same growth.

#include <atomic>
#include <cstdint>
#include <optional>

#include "lib/base/thread_annotations.h"

namespace nacre {

class SpaceBudget {
 public:
  void set_free_bytes(std::optional<std::uint64_t> bytes) EXCLUDES(mutex) {
    MutexLock lock(mutex);
    free_bytes_ = bytes.value_or(0);
    limited_.store(bytes.has_value(), std::memory_order_relaxed);
  }

  std::optional<std::uint64_t> free_bytes() EXCLUDES(mutex) {
    MutexLock lock(mutex);
    if (!limited()) return std::nullopt;
    return free_bytes_;
  }

  /// Without a budget nothing needs counting. Relaxed: a change of the budget is not ordered
  /// against operations that run beside it.
  bool limited() const noexcept { return limited_.load(std::memory_order_relaxed); }

  std::uint64_t available() const REQUIRES(mutex) { return free_bytes_; }
  void take(std::uint64_t bytes) REQUIRES(mutex) { free_bytes_ -= bytes; }
  void give_back(std::uint64_t bytes) REQUIRES(mutex) { free_bytes_ += bytes; }

  /// Held over the operation whose growth is counted.
  Mutex mutex;

 private:
  std::atomic<bool> limited_{false};
  std::uint64_t free_bytes_ GUARDED_BY(mutex) = 0;
};

}  // namespace nacre
