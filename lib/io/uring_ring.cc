#include "lib/io/uring_ring.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>

#include "lib/base/assert.h"

namespace nacre {

UringRing::UringRing(UringSetup setup) noexcept
    : ring_(setup.ring),
      abilities_(setup.abilities),
      wide_(setup.abilities.passes_commands ? 1 : 0) {
  // Entry and place are one and the same, so that publishing is one store.
  for (unsigned i = 0; i < ring_.sq.ring_entries; ++i) ring_.sq.array[i] = i;
}

UringRing::~UringRing() {
  // A child has the descriptor, but none of the mappings.
  if (in_child()) {
    ::close(ring_.ring_fd);
    return;
  }
  io_uring_queue_exit(&ring_);
}

io_uring_sqe& UringRing::next_sqe(std::uint64_t mark) {
  io_uring_sqe* const sqe = io_uring_get_sqe(&ring_);
  NACRE_ASSERT(sqe != nullptr);
  std::fill_n(sqe, 1U + wide_, io_uring_sqe{});
  sqe->user_data = mark;
  return *sqe;
}

unsigned UringRing::publish() noexcept {
  if (ring_.sq.sqe_head != ring_.sq.sqe_tail) {
    ring_.sq.sqe_head = ring_.sq.sqe_tail;
    // The kernel, or its polling thread, acquires the tail before it reads the entries.
    io_uring_smp_store_release(ring_.sq.ktail, ring_.sq.sqe_tail);
  }
  return untaken();
}

unsigned UringRing::untaken() const noexcept {
  // Pairs with the kernel's release of the head after it has read the entries.
  return ring_.sq.sqe_head - io_uring_smp_load_acquire(ring_.sq.khead);
}

bool UringRing::has_taken(unsigned published) const noexcept {
  return static_cast<int>(io_uring_smp_load_acquire(ring_.sq.khead) - published) >= 0;
}

std::vector<std::uint64_t> UringRing::take_back_untaken() {
  std::vector<std::uint64_t> marks;
  const unsigned head = io_uring_smp_load_acquire(ring_.sq.khead);
  for (unsigned at = head; at != ring_.sq.sqe_tail; ++at) {
    marks.push_back(ring_.sq.sqes[(at & ring_.sq.ring_mask) << wide_].user_data);
  }
  ring_.sq.sqe_head = ring_.sq.sqe_tail = head;
  io_uring_smp_store_release(ring_.sq.ktail, head);
  return marks;
}

unsigned UringRing::enter_flags(unsigned wait) const noexcept {
  unsigned flags = 0;
  if (abilities_.kernel_polls_submissions) {
    // The polling thread sets the flag and then looks at the tail once more. Changing the flags, by
    // nothing, comes either after that, and sees it, or before, and shows it the tail.
    std::atomic_ref<unsigned> kernel_flags(*ring_.sq.kflags);
    if ((kernel_flags.fetch_or(0, std::memory_order_seq_cst) & IORING_SQ_NEED_WAKEUP) != 0) {
      flags |= IORING_ENTER_SQ_WAKEUP;
    }
  }
  // Without it a ring that defers its completions, or polls for them, does not come to them.
  if (wait > 0 || abilities_.deferred || abilities_.polls_device) flags |= IORING_ENTER_GETEVENTS;
  return flags;
}

int UringRing::enter(unsigned submit, unsigned wait, std::uint64_t wait_ns) noexcept {
  unsigned flags = enter_flags(wait);
  if (flags == 0 && (submit == 0 || abilities_.kernel_polls_submissions)) return 0;
  if (abilities_.registers_ring) flags |= IORING_ENTER_REGISTERED_RING;
  __kernel_timespec time{};
  io_uring_getevents_arg limit{};
  if (wait > 0 && wait_ns != IoBackend::kForever) {
    constexpr std::uint64_t kSecond = 1'000'000'000;
    time.tv_sec = static_cast<std::int64_t>(wait_ns / kSecond);
    time.tv_nsec = static_cast<long long>(wait_ns % kSecond);
    limit.ts = reinterpret_cast<std::uint64_t>(&time);
    flags |= IORING_ENTER_EXT_ARG;
    return io_uring_enter2(static_cast<unsigned>(ring_.enter_ring_fd), submit, wait, flags,
                           reinterpret_cast<sigset_t*>(&limit), sizeof(limit));
  }
  return io_uring_enter(static_cast<unsigned>(ring_.enter_ring_fd), submit, wait, flags, nullptr);
}

}  // namespace nacre
