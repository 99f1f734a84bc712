#pragma once

// Which writes have been begun and cannot be seen yet: appended to the log, perhaps, but not in the
// memtable. Who needs every write up to some LSN waits here for those of them that are under way.
//
// A writer says, before it draws an LSN, that it will be at least so high. It says so in one order
// with the draws of the clock: a write that somebody who waits does not see here draws its LSN
// after, and so above, what he has seen of the clock.
//
// Thread safety: every member may be called from any thread.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "lib/store/entry.h"
#include "nacre/types.h"

namespace nacre::store {

class InFlight {
 public:
  /// One write under way, until it is destroyed.
  class Write {
   public:
    Write(Write&& other) noexcept
        : owner_(other.owner_), floor_(std::exchange(other.floor_, nullptr)) {}
    Write& operator=(Write&&) = delete;
    ~Write() {
      if (floor_ != nullptr) owner_->leave(*floor_);
    }
    /// The sequence is known, its LSN is at least what was said, and its lane is not 0.
    void drew(Sequence sequence) noexcept {
      floor_->store(sequence.value, std::memory_order_release);
    }

   private:
    friend class InFlight;
    Write(InFlight* owner, std::atomic<std::uint64_t>* floor) : owner_(owner), floor_(floor) {}
    InFlight* owner_;
    std::atomic<std::uint64_t>* floor_;
  };

  /// Waits for a place when there are `kPlaces` writes under way. `floor` is above 0.
  Write begin(Lsn floor) noexcept;

  /// Returns when no write with an LSN up to `lsn` is under way, of those that drew it before. What
  /// has drawn a greater one is not waited for: it may be waiting for who waits here.
  void wait_through(Lsn lsn) noexcept;
  /// The same for a sequence, for waits that are short: it does not sleep.
  void wait_through(Sequence sequence) noexcept;
  /// False when no write with a sequence up to `sequence` was under way at some moment of the call.
  bool any_through(Sequence sequence) const noexcept;

  /// Returns when every write has ended that had begun before.
  void wait_for_begun() noexcept;

  static constexpr std::size_t kPlaces = 256;

 private:
  struct alignas(64) Place {
    std::atomic<std::uint64_t> floor{0};  // A sequence. 0: free.
  };

  void leave(std::atomic<std::uint64_t>& floor) noexcept;

  std::array<Place, kPlaces> places_;
  alignas(64) std::atomic<std::uint32_t> waiting_{0};
};

}  // namespace nacre::store
