#pragma once

// A ring of provided buffers: made for a group, and once on trial to learn whether the kernel has
// such rings.
//
// Thread safety: none.

#include <liburing.h>

#include <cstddef>

namespace nacre {

struct UringBufferRing {
  io_uring_buf_ring* ring = nullptr;  ///< Mapped; not inherited by a child. Null after a failure.
  std::size_t bytes = 0;              ///< Of the mapping.
  int sys_errno = 0;
};

/// Registers an empty ring of `count` entries, a power of two, as group `group`.
UringBufferRing make_uring_buffer_ring(io_uring& ring, int group, unsigned count) noexcept;

/// 0 when the kernel has such rings, else the errno as a negative number.
int try_uring_buffer_ring(io_uring& ring) noexcept;

}  // namespace nacre
