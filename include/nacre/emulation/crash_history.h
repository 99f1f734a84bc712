#pragma once

// What a workload had done, and was doing, when the machine crashed.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace nacre {

class Machine;

enum class OperationState : std::uint8_t {
  kNotBegun,
  kInFlight,
  kCompleted,
};

/// One call on the structure under test.
struct CrashOperation {
  std::string name;
  std::uint16_t thread = 0;
  /// Places in the order of all beginnings and endings; `ended` is 0 for one that never did.
  std::size_t begun = 0;
  std::size_t ended = 0;
};

/// Lifetime: that of the check it is given to.
class CrashHistory {
 public:
  CrashHistory(std::span<const CrashOperation> operations, std::size_t now, std::size_t promised)
      : operations_(operations), now_(now), promised_(promised) {}

  /// In the order in which they began, those after the crash included.
  std::span<const CrashOperation> operations() const noexcept { return operations_; }

  /// kNotBegun for an index past them, as of one that the workload never came to.
  OperationState state(std::size_t operation) const noexcept {
    if (operation >= operations_.size()) return OperationState::kNotBegun;
    const CrashOperation& asked = operations_[operation];
    if (asked.begun > now_) return OperationState::kNotBegun;
    return asked.ended == 0 || asked.ended > now_ ? OperationState::kInFlight
                                                  : OperationState::kCompleted;
  }
  /// How many had begun.
  std::size_t begun_count() const noexcept;
  /// How many had ended; where one thread works these are the first so many.
  std::size_t completed_count() const noexcept;
  /// As told by CrashRun::promise_durable: the first so many have to survive.
  std::size_t promised_count() const noexcept { return promised_; }
  /// Whether `first` had ended before `second` began, so that every order has to keep them.
  bool precedes(std::size_t first, std::size_t second) const noexcept;

 private:
  std::span<const CrashOperation> operations_;
  std::size_t now_;
  std::size_t promised_;
};

/// What a workload tells about itself while it runs.
class CrashRun {
 public:
  explicit CrashRun(Machine& machine) : machine_(machine) {}
  CrashRun(const CrashRun&) = delete;
  CrashRun& operator=(const CrashRun&) = delete;

  /// Runs `body` as the operation `name`; returns its index, which counts from 0.
  template <class Body>
  std::size_t operation(std::string name, Body body) {
    const std::size_t index = begin(std::move(name));
    body();
    end(index);
    return index;
  }
  std::size_t begin(std::string name);
  void end(std::size_t operation);
  /// Runs each of `bodies` as a thread, at most kMaxThreads, and returns when all have ended. One
  /// of them runs at a time; another may go on at each call of the machine, each store to its
  /// memory, each beginning and end of an operation, and wherever a thread waits for a lock. Who
  /// does is decided by a seed: see CrashTestOptions::schedules. Waits are seen through futex(2),
  /// sleeping and sched_yield(2) let all others go first; a thread that waits in a loop without any
  /// of these hangs.
  static constexpr std::size_t kMaxThreads = 4;
  void threads(const std::vector<std::function<void()>>& bodies);
  /// The operations with an index below `count`, which have begun, are durable from here on; a
  /// smaller count than before takes nothing back. For structures that are
  /// not durable at each operation's end; others need not say it.
  void promise_durable(std::size_t count);

  std::span<const CrashOperation> operations() const noexcept { return operations_; }

 private:
  Machine& machine_;
  std::vector<CrashOperation> operations_;
  std::size_t marks_ = 0;
  std::size_t promised_ = 0;
};

}  // namespace nacre
