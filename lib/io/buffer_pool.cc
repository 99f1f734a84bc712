#include "lib/io/buffer_pool.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <utility>

#include "lib/base/assert.h"
#include "lib/base/try.h"

namespace nacre {
namespace {

static_assert(BufferPool::kMaxBufferBytes == BufferMemory::kAlignment,
              "a buffer is aligned to its capacity because the range is to the largest");

constexpr std::size_t kMaxPoolBytes = std::size_t{1} << 40;

unsigned order_of(std::size_t bytes) {
  const std::size_t pages = (bytes + BufferPool::kMinBufferBytes - 1) / BufferPool::kMinBufferBytes;
  return static_cast<unsigned>(std::bit_width(std::bit_ceil(pages)) - 1);
}

Status check_size(std::size_t bytes) {
  if (bytes > 0 && bytes <= BufferPool::kMaxBufferBytes) return {};
  return Error(ErrorCode::kInvalidArgument,
               fmt::format("an I/O buffer of {} bytes was asked for; one holds 1 to {}, and larger "
                           "transfers take several",
                           bytes, BufferPool::kMaxBufferBytes));
}

}  // namespace

Result<std::unique_ptr<BufferPool>> BufferPool::create(IoBackend* backend, const Options& options) {
  if (options.bytes == 0 || options.bytes > kMaxPoolBytes) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("a pool of {} bytes of I/O buffers was asked for; it takes 1 to {}",
                             options.bytes, kMaxPoolBytes));
  }
  const std::size_t bytes =
      (options.bytes + kMaxBufferBytes - 1) / kMaxBufferBytes * kMaxBufferBytes;
  BufferMemory memory = NACRE_TRY(BufferMemory::create(bytes, options.memory));
  return std::unique_ptr<BufferPool>(new BufferPool(std::move(memory), backend));
}

BufferPool::BufferPool(BufferMemory memory, IoBackend* backend)
    : memory_(std::move(memory)), buddies_(memory_.bytes().size() / kMinBufferBytes) {
  usage_.bound_bytes = memory_.bytes().size();
  if (backend != nullptr) usage_.registered_bytes = register_with(*backend);
}

BufferPool::~BufferPool() {
  MutexLock lock(mutex_);
  NACRE_ASSERT(usage_.bytes_in_use == 0 && waiters_.empty());
}

/// In pieces as large as the backend takes them; returns how much it took. What it takes no more
/// of, perhaps because the process may not lock so much, is used unregistered.
std::size_t BufferPool::register_with(IoBackend& backend) {
  const std::span<std::byte> all = memory_.bytes();
  std::size_t done = 0;
  while (done < all.size()) {
    const std::size_t piece = std::min(registration_bytes_, all.size() - done);
    auto registration = std::make_unique<IoMemory>(backend, all.subspan(done, piece));
    if (registration->slot() >= 0) {
      registrations_.push_back(std::move(registration));
      done += piece;
    } else if (registrations_.empty() && registration_bytes_ > kMaxBufferBytes) {
      registration_bytes_ = std::bit_floor(piece - 1);
    } else {
      break;
    }
  }
  return done;
}

Result<IoBuffer> BufferPool::try_take(std::size_t bytes) {
  NACRE_TRY(check_size(bytes));
  MutexLock lock(mutex_);
  if (waiters_.empty()) {
    if (std::optional<IoBuffer> buffer = cut(bytes)) return *std::move(buffer);
  }
  ++usage_.refusals;
  return Error(
      ErrorCode::kBusy,
      fmt::format("no I/O buffer of {} bytes is free: {} of {} bytes are in use; try again "
                  "when some have come back, or make the pool larger",
                  bytes, usage_.bytes_in_use, usage_.bound_bytes));
}

Result<IoBuffer> BufferPool::take(std::size_t bytes) {
  NACRE_TRY(check_size(bytes));
  MutexLock lock(mutex_);
  if (waiters_.empty()) {
    if (std::optional<IoBuffer> buffer = cut(bytes)) return *std::move(buffer);
  }
  ++usage_.waits;
  Waiter self;
  waiters_.push_back(&self);
  for (;;) {
    if (waiters_.front() == &self) {
      if (std::optional<IoBuffer> buffer = cut(bytes)) {
        waiters_.pop_front();
        // What is left may do for the next.
        if (!waiters_.empty()) waiters_.front()->turn.notify_one();
        return *std::move(buffer);
      }
    }
    self.turn.wait(mutex_);
  }
}

std::optional<IoBuffer> BufferPool::cut(std::size_t bytes) {
  const unsigned order = order_of(bytes);
  const std::optional<std::size_t> page = buddies_.take(order);
  if (!page.has_value()) return std::nullopt;
  const std::size_t offset = *page * kMinBufferBytes;
  const std::size_t capacity = kMinBufferBytes << order;
  usage_.bytes_in_use += capacity;
  IoBuffer buffer(memory_.bytes().subspan(offset, capacity), slot_of(offset), this);
  buffer.set_size(bytes);
  return buffer;
}

int BufferPool::slot_of(std::size_t offset) const noexcept {
  const std::size_t index = offset / registration_bytes_;
  return index < registrations_.size() ? registrations_[index]->slot() : -1;
}

void BufferPool::take_back(std::span<std::byte> memory) noexcept {
  const auto offset = static_cast<std::size_t>(memory.data() - memory_.bytes().data());
  MutexLock lock(mutex_);
  buddies_.give_back(offset / kMinBufferBytes);
  usage_.bytes_in_use -= memory.size();
  if (!waiters_.empty()) waiters_.front()->turn.notify_one();
}

BufferPool::Usage BufferPool::usage() const {
  MutexLock lock(mutex_);
  return usage_;
}

void BufferPool::write_metrics(PrometheusWriter& writer) const {
  const Usage now = usage();
  writer.gauge("nacre_buffer_pool_bound_bytes", "Memory of the pool of I/O buffers.");
  writer.sample({{"memory", std::string(buffer_memory_kind_name(memory_.kind()))}},
                now.bound_bytes);
  writer.gauge("nacre_buffer_pool_used_bytes", "I/O buffers that are in use.");
  writer.sample({}, now.bytes_in_use);
  writer.gauge("nacre_buffer_pool_registered_bytes", "I/O buffers that the kernel has pinned.");
  writer.sample({}, now.registered_bytes);
  writer.counter("nacre_buffer_pool_waits_total", "Calls that waited for an I/O buffer.");
  writer.sample({}, now.waits);
  writer.counter("nacre_buffer_pool_refusals_total",
                 "Calls that were refused an I/O buffer because none was free.");
  writer.sample({}, now.refusals);
}

}  // namespace nacre
