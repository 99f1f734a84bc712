#pragma once

// Transfers through IoScheduler, each begun by the callback of the one that ended before it.

#include <atomic>
#include <cstdint>
#include <optional>

#include "bench/io_stack.h"
#include "bench/transfer.h"

namespace nacre::bench {

/// Lifetime: the stack outlives it; nothing is in flight when it ends.
/// Thread: `begin`, `measure` and `stop` by one; callbacks come from whichever thread drives.
class IoLoop {
 public:
  IoLoop(IoStack& stack, const Transfer& transfer, IoClass io_class);
  IoLoop(const IoLoop&) = delete;
  IoLoop& operator=(const IoLoop&) = delete;

  /// Drives for `slice` with all transfers in flight. Errors: a transfer's.
  Result<Sample> measure(Nanoseconds slice);

  /// Puts all transfers in flight, and leaves it to others to drive.
  void begin(IoDriver driver);
  /// Waits for all of them, and has none follow. Errors: a transfer's.
  Status stop();
  /// Nothing is in flight; after `begin` that is so once all have failed.
  // Acquire pairs with the release in `end`: whoever finds nothing in flight sees the last error.
  bool idle() const noexcept { return in_flight_.load(std::memory_order_acquire) == 0; }
  /// Transfers ended since `begin`.
  std::uint64_t ended() const noexcept { return ended_.load(std::memory_order_relaxed); }

 private:
  void submit(std::vector<IoBuffer> buffers, IoDriver driver);
  void end(IoCompletion completion);

  IoStack& stack_;
  Transfer transfer_;
  IoClass io_class_;
  Offsets offsets_;
  TransferBuffers memory_;
  IoMemory registration_;
  std::atomic<bool> stopping_{false};
  std::atomic<std::uint64_t> ended_{0};
  std::atomic<std::size_t> in_flight_{0};
  std::optional<Error> error_;  // By callbacks; read when nothing is in flight.
};

}  // namespace nacre::bench
