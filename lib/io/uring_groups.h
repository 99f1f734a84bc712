#pragma once

// The groups of buffers a ring lends itself: what IoBufferGroup has attached. The kernel takes a
// buffer when it begins a read, and says in the completion which, whatever has become of the read
// (io_uring_register_buf_ring(3)).
//
// Thread safety: `offer` from any thread, beside anything else; the rest with the ring's owner.

#include <liburing.h>

#include <array>
#include <cstddef>
#include <span>
#include <string>

#include "lib/base/thread_annotations.h"
#include "lib/io/fork_guard.h"
#include "lib/io/uring_ring.h"
#include "nacre/io_buffer_group.h"

namespace nacre {

class UringGroups {
 public:
  UringGroups() = default;
  ~UringGroups();
  UringGroups(const UringGroups&) = delete;
  UringGroups& operator=(const UringGroups&) = delete;

  /// Offers all buffers of `group`. Returns a slot, from which the kernel's number of the
  /// group follows; or -1 and then says why in `refusal`.
  int attach(UringRing& ring, const IoBufferGroup& group, std::string& refusal) EXCLUDES(mutex_);
  /// None of its buffers is lent.
  void detach(UringRing& ring, int slot) noexcept EXCLUDES(mutex_);
  void offer(int slot, std::size_t index) noexcept EXCLUDES(mutex_);

  bool any() const noexcept EXCLUDES(mutex_);
  /// Whether `group`, which has a slot, has it here.
  bool knows(const IoBufferGroup& group) const noexcept EXCLUDES(mutex_);
  /// Of an empty file. Reading it is how a buffer is got for a read that the ring does not do.
  int empty_file() const noexcept { return empty_file_; }

 private:
  struct Entry {
    io_uring_buf_ring* ring = nullptr;  ///< Null when the slot is free.
    std::size_t bytes = 0;              ///< Of the mapping.
    int mask = 0;
    std::span<const IoBuffer> buffers;
  };

  static void put(Entry& entry, std::size_t index) noexcept;

  const ForkGuard fork_guard_;
  int empty_file_ = -1;
  mutable Mutex mutex_;
  std::array<Entry, kUringGroupSlots> entries_ GUARDED_BY(mutex_);
};

}  // namespace nacre
