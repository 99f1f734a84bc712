#pragma once

// Requests that have ended and are not yet given back: some are overtaken by others, some wait for
// a time.
//
// Thread safety: one thread at a time.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <vector>

#include "nacre/io.h"
#include "nacre/random.h"

namespace nacre {

class HeldCompletions {
 public:
  HeldCompletions(std::uint64_t seed, std::size_t reorder_window)
      : random_(seed), window_(reorder_window) {}

  /// The chain from `first` on has ended; so many others go before it, and it waits until `due_ns`.
  void add(IoOperation& first, std::uint64_t others, std::uint64_t due_ns);
  /// Makes ready what has waited enough. `last`: nothing else is under way that could overtake.
  void release(bool last, std::uint64_t now_ns);
  /// Gives out what is ready, as much as fits.
  std::size_t take(std::span<IoOperation*> ended);

  bool empty() const noexcept { return held_.empty() && ready_.empty(); }
  bool any_ready() const noexcept { return !ready_.empty(); }
  /// Until when the first of those waits that wait for a time alone; kForever when there are none.
  std::uint64_t next_due_ns() const noexcept { return next_due_ns_; }

 private:
  struct Held {
    IoOperation* first;
    std::uint64_t others;
    std::uint64_t turn;  // How many must have ended, all told.
    std::uint64_t due_ns;
  };

  SeededRandom random_;
  const std::size_t window_;
  std::uint64_t ended_ = 0;
  std::vector<Held> held_;
  std::deque<IoOperation*> ready_;
  std::uint64_t next_due_ns_ = IoBackend::kForever;
};

}  // namespace nacre
