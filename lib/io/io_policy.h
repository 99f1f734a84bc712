#pragma once

// Who may use the device next: the shares of the classes, without queues, locks or a clock.
//
// The log has slots that nobody else takes. Of the others, foreground reads have some that flush
// and compaction leave free. Those two, the background, are held to their credits, and to a window
// that keeps foreground reads and the log near their idle latency.
//
// Thread safety: none of its own.

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "lib/io/background_window.h"
#include "lib/io/token_bucket.h"
#include "nacre/io.h"

namespace nacre {

/// What a class of the background may use; 0 is no bound.
struct IoCredit {
  std::uint64_t bytes_per_s = 0;
  std::uint64_t operations_per_s = 0;
};

struct IoPolicyOptions {
  /// Slots of the backend's depth that the log alone uses; the default is an eighth of the depth.
  std::size_t log_slots = kEighth;
  /// Slots that flush and compaction leave free; the same.
  std::size_t read_slots = kEighth;
  IoCredit flush = {};
  IoCredit compaction = {};
  /// Whether the background makes way for reads and the log by their measured latency.
  bool adaptive = true;
  /// While there are any, background transfers go out in pieces of at most this; 0 for whole.
  std::uint64_t piece_bytes = std::uint64_t{256} << 10;
  /// A background request that has waited this long goes before reads that are not urgent, if
  /// nothing of its class is in flight: the background is slow under load, never stopped.
  std::uint64_t patience_ns = 50'000'000;
  /// A read this near its deadline goes before everything but the log.
  std::uint64_t urgent_ns = 1'000'000;
  /// The deadline of reads that name none.
  std::uint64_t read_deadline_ns = 100'000'000;

  static constexpr std::size_t kEighth = std::numeric_limits<std::size_t>::max();
};

/// What a class wants to begin.
struct IoShare {
  IoClass io_class = IoClass::kLog;
  std::size_t slots = 1;
  std::uint64_t bytes = 0;
};

class IoPolicy {
 public:
  IoPolicy(std::size_t depth, const IoPolicyOptions& options) noexcept;

  const IoPolicyOptions& options() const noexcept { return options_; }
  /// Whether the backend has room for it at all.
  bool fits(std::size_t slots) const noexcept { return in_flight_ + slots <= depth_; }
  /// Whether its class may take so much of the backend, and of the background's window, at this
  /// time; what has no room waits for completions, and lets nobody of its kind pass.
  bool has_room(const IoShare& share, std::uint64_t now_ns) noexcept;
  /// Whether its class has credit; one that has none steps aside.
  bool has_credit(IoClass io_class, std::uint64_t now_ns) noexcept;
  void begin(const IoShare& share, std::uint64_t now_ns) noexcept;
  void end(const IoShare& share) noexcept;
  /// Of a transfer that somebody waits for, beside `begin` and `end`.
  BackgroundWindow::Sample begin_foreground(Foreground kind, std::uint64_t now_ns) noexcept;
  void end_foreground(const BackgroundWindow::Sample& sample, std::uint64_t bytes,
                      std::uint64_t now_ns);

  /// Whether a request of the background, which has waited this long, goes before reads.
  bool is_overdue(IoClass io_class, std::uint64_t waited_ns) const noexcept;
  /// How large a transfer of the background may be.
  std::uint64_t piece_bytes(std::uint64_t now_ns) const noexcept;
  std::size_t in_flight(IoClass io_class) const noexcept {
    return by_class_[static_cast<std::size_t>(io_class)];
  }
  /// When time alone may turn a no of `has_room` or `has_credit` into a yes; kForever when it
  /// cannot. Holds for those asked since `forget_opening`.
  std::uint64_t opens_ns() const noexcept { return opens_ns_; }
  void forget_opening() noexcept { opens_ns_ = IoBackend::kForever; }

 private:
  struct Credit {
    TokenBucket bytes;
    TokenBucket operations;
  };

  Credit& credit(IoClass io_class) noexcept {
    return io_class == IoClass::kFlush ? flush_ : compaction_;
  }

  const IoPolicyOptions options_;
  const std::size_t depth_;
  std::size_t shared_slots_;
  std::size_t background_slots_;
  std::size_t in_flight_ = 0;
  std::array<std::size_t, kIoClasses> by_class_{};
  Credit flush_;
  Credit compaction_;
  BackgroundWindow window_;
  std::uint64_t opens_ns_ = IoBackend::kForever;
};

/// Flush and compaction.
inline bool is_background(IoClass io_class) noexcept {
  return io_class == IoClass::kFlush || io_class == IoClass::kCompaction;
}

}  // namespace nacre
