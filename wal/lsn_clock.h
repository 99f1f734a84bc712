#pragma once

// One order for the records of several lanes, without a counter that all of them fight for.
//
// A Lamport clock (Lamport, "Time, Clocks, and the Ordering of Events", CACM 1978): a lane's next
// LSN is one above the newest that any lane has drawn, as far as this thread can see. So an append
// that follows another, in the same thread or by whatever way it learned of it, has the higher LSN.
// Appends that know nothing of each other may draw the same one; the lane's number then decides.
//
// A shared counter would give the same order, but its locked addition waits for everything the
// previous fence is still draining, and its cache line is torn between the cores; here a lane
// writes its own line and only reads the others (docs/architecture.md has the figures).
//
// Thread safety: each lane is drawn for by one thread at a time; different lanes may run at once.

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "nacre/types.h"

namespace nacre::wal {

class LsnClock {
 public:
  explicit LsnClock(std::size_t lanes) : lanes_(lanes), drawn_(new Drawn[lanes]) {}

  /// Every LSN drawn from now on is above `newest`. Before the lanes run.
  void start_above(Lsn newest) noexcept {
    for (std::size_t i = 0; i < lanes_; ++i) {
      drawn_[i].newest.store(newest.value, std::memory_order_relaxed);
    }
  }

  /// Only lanes below `lanes` draw. Before the lanes run.
  void use_lanes(std::size_t lanes) noexcept { lanes_ = lanes; }

  /// Draws `count` consecutive LSNs for `lane`; returns the last.
  Lsn draw(std::size_t lane, std::uint64_t count) noexcept {
    std::uint64_t newest = 0;
    for (std::size_t i = 0; i < lanes_; ++i) {
      // Pairs with the release below: who has learned of an append also sees its LSN here. In one
      // order with `raise`, and with what a caller has said beforehand of the LSN it will draw; on
      // the machines there are, such a load costs no more than an acquiring one.
      newest = std::max(newest, drawn_[i].newest.load(std::memory_order_seq_cst));
    }
    newest += count;
    drawn_[lane].newest.store(newest, std::memory_order_release);
    return Lsn{newest};
  }

  /// The newest LSN that has been drawn, as far as this thread can see.
  Lsn newest() const noexcept {
    std::uint64_t newest = 0;
    for (std::size_t i = 0; i < lanes_; ++i) {
      newest = std::max(newest, drawn_[i].newest.load(std::memory_order_seq_cst));
    }
    return Lsn{newest};
  }

  /// Every draw that is begun from now on gives an LSN above `lsn`. For a `lane` without records;
  /// one thread at a time.
  void raise(std::size_t lane, Lsn lsn) noexcept {
    drawn_[lane].newest.store(lsn.value, std::memory_order_seq_cst);
  }

 private:
  struct alignas(64) Drawn {
    std::atomic<std::uint64_t> newest{0};
  };
  std::size_t lanes_;
  const std::unique_ptr<Drawn[]> drawn_;
};

}  // namespace nacre::wal
