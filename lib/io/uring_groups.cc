#include "lib/io/uring_groups.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "lib/base/assert.h"
#include "lib/io/uring_buffer_ring.h"

namespace nacre {

UringGroups::~UringGroups() {
  if (empty_file_ >= 0) ::close(empty_file_);
}

int UringGroups::attach(UringRing& ring, const IoBufferGroup& group, std::string& refusal) {
  if (empty_file_ < 0) empty_file_ = ::memfd_create("nacre-empty", MFD_CLOEXEC);
  if (empty_file_ < 0) {
    refusal = fmt::format("no file in memory could be made ({})", std::strerror(errno));
    return -1;
  }
  MutexLock lock(mutex_);
  const auto free = std::ranges::find(entries_, nullptr, &Entry::ring);
  if (free == entries_.end()) {
    refusal = fmt::format("{} groups are attached already; share some", entries_.size());
    return -1;
  }
  const auto slot = static_cast<int>(free - entries_.begin());
  const auto count = static_cast<unsigned>(std::bit_ceil(group.buffers().size()));
  UringBufferRing made = make_uring_buffer_ring(ring.raw(), uring_group_number(slot), count);
  if (made.ring == nullptr) {
    refusal = fmt::format("the kernel refused a ring of {} buffers ({})", count,
                          std::strerror(made.sys_errno));
    return -1;
  }
  *free = {.ring = made.ring,
           .bytes = made.bytes,
           .mask = io_uring_buf_ring_mask(count),
           .buffers = group.buffers()};
  for (std::size_t index = 0; index < group.buffers().size(); ++index) put(*free, index);
  return slot;
}

void UringGroups::detach(UringRing& ring, int slot) noexcept {
  MutexLock lock(mutex_);
  Entry& entry = entries_[static_cast<std::size_t>(slot)];
  NACRE_ASSERT(entry.ring != nullptr);
  io_uring_unregister_buf_ring(&ring.raw(), uring_group_number(slot));
  ::munmap(entry.ring, entry.bytes);
  entry = {};
}

void UringGroups::offer(int slot, std::size_t index) noexcept {
  // The ring is its parent's, and not mapped in a child.
  if (fork_guard_.in_child()) return;
  MutexLock lock(mutex_);
  put(entries_[static_cast<std::size_t>(slot)], index);
}

void UringGroups::put(Entry& entry, std::size_t index) noexcept {
  const IoBuffer& buffer = entry.buffers[index];
  io_uring_buf_ring_add(entry.ring, buffer.data(), static_cast<unsigned>(buffer.capacity()),
                        static_cast<unsigned short>(index), entry.mask, 0);
  // Releases the entry to the kernel, which acquires the tail.
  io_uring_buf_ring_advance(entry.ring, 1);
}

bool UringGroups::knows(const IoBufferGroup& group) const noexcept {
  const auto slot = static_cast<std::size_t>(group.slot());
  MutexLock lock(mutex_);
  return slot < entries_.size() && entries_[slot].buffers.data() == group.buffers().data();
}

bool UringGroups::any() const noexcept {
  MutexLock lock(mutex_);
  return std::ranges::any_of(entries_, [](const Entry& entry) { return entry.ring != nullptr; });
}

}  // namespace nacre
