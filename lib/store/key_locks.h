#pragma once

// Keeps writes of a key out while a transaction that read it looks whether it is still as it was,
// and appends its own writes.
//
// Each key has one of 32 locks. Transactions take those of all keys they read and write; who writes
// without a transaction takes those of its keys only while one is open. Both take them in one
// order, and hold them until their writes can be seen, so that whoever holds a key's lock sees its
// newest version. A writer that found no transaction open holds none: a transaction, as it opens,
// waits for those to end before it takes the snapshot that it reads from (see
// InFlight::wait_for_begun), so that it has nothing to fear of them.
//
// Thread safety: every member may be called from any thread.

#include <array>
#include <atomic>
#include <cstdint>
#include <utility>

#include "lib/base/thread_annotations.h"
#include "lib/store/table_hash.h"
#include "nacre/types.h"

namespace nacre::store {

class KeyLocks {
 public:
  /// All may be held at once, by a range removal. ThreadSanitizer follows no more than 64 locks of
  /// a thread.
  static constexpr std::size_t kLocks = 32;
  /// A bit for each lock.
  using Mask = std::uint32_t;
  static constexpr Mask kAll = ~Mask{0};
  static Mask mask_of(std::uint32_t keyspace, Bytes key) noexcept {
    return Mask{1} << ((table_hash(key) ^ keyspace) % kLocks);
  }

  /// Locks that are held, until it is destroyed.
  class Guard {
   public:
    Guard() = default;
    Guard(Guard&& other) noexcept : owner_(other.owner_), mask_(std::exchange(other.mask_, 0)) {}
    Guard& operator=(Guard&& other) noexcept {
      std::swap(owner_, other.owner_);
      std::swap(mask_, other.mask_);
      return *this;
    }
    ~Guard();

   private:
    friend class KeyLocks;
    Guard(KeyLocks* owner, Mask mask) : owner_(owner), mask_(mask) {}
    KeyLocks* owner_ = nullptr;
    Mask mask_ = 0;
  };

  Guard lock(Mask mask) noexcept;

  /// A writer asks once it has said that it is under way: in one order with `open`.
  bool any_open() const noexcept { return open_.load(std::memory_order_seq_cst) != 0; }
  void open() noexcept { open_.fetch_add(1, std::memory_order_seq_cst); }
  void close() noexcept { open_.fetch_sub(1, std::memory_order_seq_cst); }

 private:
  struct alignas(64) Lock {
    Mutex mutex;
  };
  alignas(64) std::atomic<std::uint32_t> open_{0};
  std::array<Lock, kLocks> locks_;
};

}  // namespace nacre::store
