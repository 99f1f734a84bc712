#pragma once

// Tells a process from a child that was forked after: what a child inherits of a log (mappings,
// descriptors, the lock) is its parent's to write.
//
// Thread safety: every member may be called from any thread.

#include <cstddef>

namespace nacre {

class ForkGuard {
 public:
  /// Belongs to the calling process. Where the kernel cannot tell (before Linux 4.14) `in_child`
  /// is never true.
  ForkGuard() noexcept;
  ~ForkGuard();
  ForkGuard(const ForkGuard&) = delete;
  ForkGuard& operator=(const ForkGuard&) = delete;

  /// Whether this process was forked from the one that made the guard. One load.
  bool in_child() const noexcept { return *mark_ == 0; }

 private:
  const volatile char* mark_;  // The kernel clears its page in a child.
};

}  // namespace nacre
