#pragma once

// Threads of which one runs at a time, in an order that a seed decides.
//
// A thread keeps its turn until it comes to a scheduling point, which is where a simulated machine
// is called or stored to, or until it has to wait for another one. So every run with the same
// schedule is the same run. Waits are seen by emulation/simulation/wait_trap.h: a thread is able to
// go on when the word it waits for has changed, and one that waits with a timeout when nobody else
// is able to. One that sleeps or yields lets all others go first. A thread that waits in any other
// way, such as in a loop without a system call, keeps its turn and hangs.
//
// Thread safety: `run` by one thread at a time.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

#include "emulation/simulation/thread_schedule.h"
#include "emulation/simulation/wait_trap.h"

namespace nacre {

/// The exit statuses of a process whose threads cannot go on.
inline constexpr int kDeadlockedStatus = 115;
inline constexpr int kNoTrapsStatus = 116;

/// Where another thread may get its turn. Nothing in a thread that is not scheduled.
void scheduling_point() noexcept;

/// One at each end of a call.
class SchedulingPoints {
 public:
  SchedulingPoints() noexcept { scheduling_point(); }
  ~SchedulingPoints() { scheduling_point(); }
  SchedulingPoints(const SchedulingPoints&) = delete;
  SchedulingPoints& operator=(const SchedulingPoints&) = delete;
};

class TurnScheduler {
 public:
  /// Lifetime: `schedule` outlives this.
  explicit TurnScheduler(ThreadSchedule& schedule) : schedule_(schedule) {}

  /// Runs each of `bodies` as a thread of its own, and returns when all have ended. Ends the
  /// process when they wait for each other for ever, or when the kernel refuses to tell of waits.
  void run(std::span<const std::function<void()>> bodies);

 private:
  enum class State : std::uint8_t { kReady, kWaiting, kEnded };
  class Thread;

  /// Those for which `is_one(thread)`.
  template <class IsOne>
  ThreadSet those(IsOne is_one) const noexcept;
  /// Who goes on; sleeps while nobody can. None when all have ended.
  Thread* choose() noexcept;
  void pass_turn(Thread& from, Thread& to) noexcept;
  void end(Thread& thread) noexcept;

  friend void scheduling_point() noexcept;

  ThreadSchedule& schedule_;
  Thread* threads_ = nullptr;  // `count_` of them.
  std::size_t count_ = 0;
  std::atomic<std::uint32_t> parked_ = 0;
  std::atomic<std::uint32_t> all_ended_ = 0;
  std::atomic<bool> refused_ = false;
};

}  // namespace nacre
