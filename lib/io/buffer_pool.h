#pragma once

// The pool of buffers for I/O: memory that is allocated once, registered with the backend once, and
// cut into aligned buffers of 4 KiB to 2 MiB, each a power of two.
//
// At the bound `take` waits and `try_take` is refused; nothing is ever allocated beside. Waiting
// calls are served in the order of their coming, and nobody overtakes them, so a large buffer comes
// as surely as a small one.
//
// Thread safety: every member may be called from any thread; buffers may be let go on any. With a
// backend of one thread, the pool is made and destroyed on that one.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "lib/base/thread_annotations.h"
#include "lib/io/buddy_allocator.h"
#include "lib/io/buffer_memory.h"
#include "lib/metrics/prometheus.h"
#include "nacre/io.h"
#include "nacre/result.h"

namespace nacre {

class BufferPool final : private IoBuffer::Home {
 public:
  static constexpr std::size_t kMinBufferBytes = 4096;
  static constexpr std::size_t kMaxBufferBytes = kMinBufferBytes << BuddyAllocator::kMaxOrder;

  struct Options {
    /// The bound: up to 1 TiB; rounded up to a multiple of the largest buffer.
    std::size_t bytes = std::size_t{64} << 20;
    BufferMemory::Options memory = {};
  };

  struct Usage {
    std::size_t bound_bytes = 0;
    std::size_t bytes_in_use = 0;      ///< Whole buffers, whatever part of them was asked for.
    std::size_t registered_bytes = 0;  ///< Of the bound, what the backend has registered.
    std::uint64_t waits = 0;           ///< Calls of `take` that had to wait.
    std::uint64_t refusals = 0;        ///< Calls of `try_take` that got `busy`.
  };

  /// `backend` may be null: then nothing is registered.
  /// Lifetime: `backend` outlives the pool, and the pool all of its buffers (asserted).
  /// Errors: `invalid_argument` (no bytes, or too many), `no_space`.
  static Result<std::unique_ptr<BufferPool>> create(IoBackend* backend, const Options& options);
  ~BufferPool();
  BufferPool(const BufferPool&) = delete;
  BufferPool& operator=(const BufferPool&) = delete;

  /// A buffer of `bytes`, aligned to its capacity, which is the next power of two; any content.
  /// Waits while there is none. Not from a callback of the scheduler, which may be what brings
  /// buffers back; and not while holding others, unless somebody else is sure to let some go.
  /// Errors: `invalid_argument` when `bytes` is 0 or above kMaxBufferBytes.
  Result<IoBuffer> take(std::size_t bytes);

  /// As `take`, at once.
  /// Errors: `busy` when there is none, or others wait for one; `invalid_argument`.
  Result<IoBuffer> try_take(std::size_t bytes);

  Usage usage() const;
  const BufferMemory& memory() const noexcept { return memory_; }
  void write_metrics(PrometheusWriter& writer) const;

 private:
  /// The kernel takes at most 1 GiB in one registration (io_uring_register(2)).
  static constexpr std::size_t kMaxRegistrationBytes = std::size_t{1} << 30;

  struct Waiter {
    CondVar turn;
  };

  BufferPool(BufferMemory memory, IoBackend* backend);

  void take_back(std::span<std::byte> memory) noexcept override;
  std::size_t register_with(IoBackend& backend);
  std::optional<IoBuffer> cut(std::size_t bytes) REQUIRES(mutex_);
  int slot_of(std::size_t offset) const noexcept;

  const BufferMemory memory_;
  std::size_t registration_bytes_ = kMaxRegistrationBytes;
  std::vector<std::unique_ptr<IoMemory>> registrations_;  // Each of `registration_bytes_`.

  mutable Mutex mutex_;
  BuddyAllocator buddies_ GUARDED_BY(mutex_);
  std::deque<Waiter*> waiters_ GUARDED_BY(mutex_);
  Usage usage_ GUARDED_BY(mutex_);
};

}  // namespace nacre
