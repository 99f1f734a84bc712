// What the engine over io_uring is made to know: files, memory, groups of buffers.

#include <string>
#include <utility>

#include "lib/io/uring_backend.h"

namespace nacre {

int UringBackend::attach_file(File& file) {
  if (forked_.in_child()) return -1;
  check_thread();
  MutexLock lock(mutex_);
  return tables_.attach_file(*ring_, file);
}

void UringBackend::detach_file(int slot) noexcept {
  if (forked_.in_child()) return;
  check_thread();
  MutexLock lock(mutex_);
  tables_.detach_file(*ring_, slot);
}

bool UringBackend::holds(const IoFile& file) {
  if (forked_.in_child()) return false;
  MutexLock lock(mutex_);
  return tables_.knows(file) && tables_.place_of(file).registered;
}

int UringBackend::attach_memory(std::span<std::byte> memory) {
  if (forked_.in_child()) return -1;
  check_thread();
  MutexLock lock(mutex_);
  if (!ring_->abilities().registers_buffers) return -1;
  std::string refusal;
  const int slot = tables_.attach_memory(*ring_, memory, refusal);
  if (slot < 0) {
    note_memory(std::move(refusal));
  } else if (!memory_refusal_.empty()) {
    tell_memory();
  }
  return slot;
}

int UringBackend::attach_group(const IoBufferGroup& group) {
  if (forked_.in_child()) return -1;
  check_thread();
  MutexLock lock(mutex_);
  if (!ring_->abilities().lends_buffers) return -1;
  // Into memory the kernel has pinned already, a read by its address costs less than one by a
  // provided buffer (docs/architecture.md, "Buffers of a group").
  if (tables_.cover(group.buffers())) return -1;
  std::string refusal;
  const int slot = groups_.attach(*ring_, group, refusal);
  if (slot < 0) {
    change_feature("provided_buffers", groups_.any(), "not for all groups: " + refusal);
  }
  return slot;
}

void UringBackend::detach_group(int slot) noexcept {
  if (forked_.in_child()) return;
  check_thread();
  MutexLock lock(mutex_);
  groups_.detach(*ring_, slot);
}

void UringBackend::offer_buffer(int slot, std::size_t index) noexcept {
  groups_.offer(slot, index);
}

/// The first refusal is what people are told: the next ones follow from it.
void UringBackend::note_memory(std::string refusal) {
  if (!memory_refusal_.empty()) return;
  memory_refusal_ = std::move(refusal);
  tell_memory();
}

void UringBackend::tell_memory() {
  const bool some = tables_.has_memory();
  change_feature("registered_buffers", some,
                 (some ? "not all memory is registered: " : "") + memory_refusal_);
}

void UringBackend::detach_memory(int slot) noexcept {
  if (forked_.in_child()) return;
  check_thread();
  MutexLock lock(mutex_);
  tables_.detach_memory(*ring_, slot);
}

}  // namespace nacre
