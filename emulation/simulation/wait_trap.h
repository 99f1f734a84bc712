#pragma once

// Tells of a thread's system calls that would make it wait, instead of making them.
//
// A seccomp filter of the thread's own turns them into SIGSYS; it needs no privileges, ends with
// the thread, and is passed on to threads that it starts (kernel, Documentation/userspace-api/
// seccomp_filter.rst). Locks, condition variables and atomic waits all come down to futex(2).
//
// Not told: calls that wait for something else, such as a pipe, and FUTEX_LOCK_PI.

#include <cstddef>
#include <cstdint>

namespace nacre {

/// A thread that waits until a word of memory changes, or that gives way to others.
struct TrappedWait {
  const std::uint32_t* word = nullptr;  ///< Null: it gives way, or sleeps for a while.
  std::uint32_t expected = 0;           ///< It waits while the word holds this.
  bool has_timeout = false;
};

class WaitListener {
 public:
  virtual ~WaitListener() = default;
  /// In a signal handler of the thread that waits. Returns 0, or a negative errno.
  virtual long on_wait(const TrappedWait& wait) noexcept = 0;
};

/// For the calling thread, from here to its end. Lifetime: `listener` outlives the thread. False
/// when the kernel refuses the filter.
[[nodiscard]] bool trap_waits(WaitListener& listener) noexcept;

/// These wait for real, also where waits are trapped.
void wait_while_equal(const std::uint32_t* word, std::uint32_t value) noexcept;
void wake_waiters(const std::uint32_t* word) noexcept;
void sleep_one_millisecond() noexcept;

}  // namespace nacre
