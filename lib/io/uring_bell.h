#pragma once

// What any thread may ring to end a wait for completions: an eventfd the ring looks at.
//
// Thread safety: every member may be called from any thread.

#include <cstdint>

#include "nacre/result.h"

namespace nacre {

class UringBell {
 public:
  /// Errors: `io`.
  static Result<UringBell> make();
  UringBell(UringBell&& other) noexcept;
  UringBell& operator=(UringBell&&) = delete;
  ~UringBell();

  void ring() noexcept;
  /// Has it be silent again.
  void silence() noexcept;
  /// Waits for it up to `wait_ns` without a ring; for those that cannot look at it.
  void wait(std::uint64_t wait_ns) noexcept;
  int descriptor() const noexcept { return descriptor_; }

 private:
  explicit UringBell(int descriptor) noexcept : descriptor_(descriptor) {}

  int descriptor_;
};

}  // namespace nacre
