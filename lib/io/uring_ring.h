#pragma once

// One ring of io_uring: its queues and its one system call.
//
// Neither queue can overflow: `next_sqe` is called for at most as many entries as the ring was made
// for. Entries are published all at once, because the kernel ends a chain of linked ones where the
// published ones end.
//
// Thread safety: none, but `enter`, which may run beside anything else.

#include <liburing.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "lib/io/fork_guard.h"
#include "lib/io/uring_setup.h"

namespace nacre {

class UringRing {
 public:
  explicit UringRing(UringSetup setup) noexcept;
  ~UringRing();
  UringRing(const UringRing&) = delete;
  UringRing& operator=(const UringRing&) = delete;

  const UringAbilities& abilities() const noexcept { return abilities_; }
  /// Whether this process was forked from the one whose ring it is.
  bool in_child() const noexcept { return fork_guard_.in_child(); }

  /// A cleared entry, which carries `mark` into its completion.
  io_uring_sqe& next_sqe(std::uint64_t mark);

  /// Lets the kernel see all entries. Returns how many it has not taken yet.
  unsigned publish() noexcept;
  /// How many published entries the kernel has not taken.
  unsigned untaken() const noexcept;
  /// Counts all entries ever published; with `has_taken` tells when the kernel has those so far.
  unsigned published() const noexcept { return ring_.sq.sqe_head; }
  bool has_taken(unsigned published) const noexcept;

  /// Takes all entries back that the kernel has not taken, none of which it looks at meanwhile.
  /// Returns their marks.
  std::vector<std::uint64_t> take_back_untaken();

  /// Has the kernel take `submit` entries, and waits for `wait` completions up to `wait_ns`.
  /// Returns how many were taken, or an errno as a negative number.
  int enter(unsigned submit, unsigned wait, std::uint64_t wait_ns) noexcept;

  struct Completion {
    std::uint64_t mark;
    int result;                           ///< Of the operation, or an errno as a negative number.
    std::optional<std::uint32_t> buffer;  ///< Which one of its group the operation has got.
  };
  /// The next completion there is, without a call of the kernel.
  std::optional<Completion> take_completion() noexcept {
    // Pairs with the kernel's release of the tail after it has written the entry.
    const unsigned tail = io_uring_smp_load_acquire(ring_.cq.ktail);
    const unsigned head = *ring_.cq.khead;
    if (head == tail) return std::nullopt;
    const io_uring_cqe& cqe = ring_.cq.cqes[(head & ring_.cq.ring_mask) << wide_];
    Completion completion{.mark = cqe.user_data, .result = cqe.res, .buffer = {}};
    if ((cqe.flags & IORING_CQE_F_BUFFER) != 0) {
      completion.buffer = cqe.flags >> IORING_CQE_BUFFER_SHIFT;
    }
    io_uring_cq_advance(&ring_, 1);
    return completion;
  }

  /// For registrations.
  io_uring& raw() noexcept { return ring_; }

 private:
  unsigned enter_flags(unsigned wait) const noexcept;

  io_uring ring_;
  const UringAbilities abilities_;
  const unsigned wide_;  // 1 when entries and completions have twice their size, or else 0.
  const ForkGuard fork_guard_;
};

}  // namespace nacre
