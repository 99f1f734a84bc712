#include "nacre/io_buffer_group.h"

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <utility>

#include "lib/base/assert.h"
#include "lib/base/thread_annotations.h"

namespace nacre {
namespace {

bool aligned(const IoBuffer& buffer) {
  const auto address = reinterpret_cast<std::uintptr_t>(buffer.data());
  return (address | buffer.capacity()) % IoBufferGroup::kAlignment == 0;
}

bool sound(const std::vector<IoBuffer>& buffers) {
  if (buffers.empty() || buffers.size() > IoBufferGroup::kMaxBuffers) return false;
  const std::size_t bytes = buffers.front().capacity();
  if (bytes == 0 || bytes > IoBufferGroup::kMaxBufferBytes) return false;
  return std::ranges::all_of(
      buffers, [&](const IoBuffer& one) { return aligned(one) && one.capacity() == bytes; });
}

}  // namespace

/// Last in, first out: what was used last is still in the processor's cache.
struct IoBufferGroup::FreeList {
  Mutex mutex;
  std::vector<std::size_t> indexes GUARDED_BY(mutex);
};

IoBufferGroup::IoBufferGroup(IoBackend& backend, std::vector<IoBuffer> buffers)
    : backend_(backend), buffers_(std::move(buffers)), free_(std::make_unique<FreeList>()) {
  NACRE_ASSERT(sound(buffers_));
  std::ranges::sort(buffers_, {}, &IoBuffer::data);
  std::vector<std::size_t> indexes(buffers_.size());
  std::iota(indexes.rbegin(), indexes.rend(), std::size_t{0});
  slot_ = backend_.attach_group(*this);
  MutexLock lock(free_->mutex);
  if (slot_ < 0) free_->indexes = std::move(indexes);
}

IoBufferGroup::~IoBufferGroup() {
  NACRE_ASSERT(lent() == 0);
  if (slot_ >= 0) backend_.detach_group(slot_);
}

IoBuffer IoBufferGroup::lend(std::size_t index) noexcept {
  const IoBuffer& buffer = buffers_[index];
  lent_.fetch_add(1, std::memory_order_relaxed);
  return IoBuffer({buffer.data(), buffer.capacity()}, buffer.slot(), this);
}

std::optional<IoBuffer> IoBufferGroup::try_lend() {
  MutexLock lock(free_->mutex);
  if (free_->indexes.empty()) return std::nullopt;
  const std::size_t index = free_->indexes.back();
  free_->indexes.pop_back();
  return lend(index);
}

void IoBufferGroup::take_back(std::span<std::byte> memory) noexcept {
  const auto at = std::ranges::lower_bound(buffers_, memory.data(), {}, &IoBuffer::data);
  const auto index = static_cast<std::size_t>(at - buffers_.begin());
  if (slot_ >= 0) {
    backend_.offer_buffer(slot_, index);
  } else {
    MutexLock lock(free_->mutex);
    free_->indexes.push_back(index);
  }
  // Last, because the group may go when none is lent; pairs with `lent`.
  lent_.fetch_sub(1, std::memory_order_release);
}

}  // namespace nacre
