#include "lib/io/uring_buffer_ring.h"

#include <sys/mman.h>

#include <cerrno>
#include <cstdint>

namespace nacre {

UringBufferRing make_uring_buffer_ring(io_uring& ring, int group, unsigned count) noexcept {
  const std::size_t bytes = count * sizeof(io_uring_buf);
  void* const memory =
      ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return {.sys_errno = errno};
  // The kernel has pinned the pages: they must stay this process's own after a fork.
  int failed = ::madvise(memory, bytes, MADV_DONTFORK) == 0 ? 0 : errno;
  if (failed == 0) {
    io_uring_buf_reg registration{};
    registration.ring_addr = reinterpret_cast<std::uint64_t>(memory);
    registration.ring_entries = count;
    registration.bgid = static_cast<std::uint16_t>(group);
    failed = -io_uring_register_buf_ring(&ring, &registration, 0);
  }
  if (failed != 0) {
    ::munmap(memory, bytes);
    return {.sys_errno = failed};
  }
  auto* const made = static_cast<io_uring_buf_ring*>(memory);
  io_uring_buf_ring_init(made);
  return {.ring = made, .bytes = bytes};
}

int try_uring_buffer_ring(io_uring& ring) noexcept {
  const UringBufferRing made = make_uring_buffer_ring(ring, 0, 1);
  if (made.ring == nullptr) return -made.sys_errno;
  const int result = io_uring_unregister_buf_ring(&ring, 0);
  ::munmap(made.ring, made.bytes);
  return result;
}

}  // namespace nacre
