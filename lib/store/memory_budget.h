#pragma once

// The DRAM that a store takes, by what takes it, and the bound that it keeps to.
//
// What memtables take comes from here, in blocks. A write is durable before it goes into a
// memtable, so that it may not fail there: some blocks are mapped ahead, and are handed out when
// the machine gives no more. From then on, and while more than the bound is taken, writers ask
// before they begin (`has_room`, `reserve`).
//
// Thread safety: every member may be called from any thread.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "lib/base/thread_annotations.h"
#include "lib/io/buffer_memory.h"
#include "nacre/result.h"

namespace nacre::store {

class MemoryBudget {
 public:
  enum class Part : std::uint8_t {
    kMemtables,  ///< Also those that only a reader keeps.
    kTables,     ///< What open tables keep beside their mappings.
    kBuilders,   ///< Indexes of tables that are being written.
  };
  /// Where blocks come from.
  using Source = std::function<Result<BufferMemory>(std::size_t bytes)>;

  /// Writes up to this size begin without a reservation; the blocks that are mapped ahead are for
  /// them, the node splits they cause included.
  static constexpr std::size_t kSmallWriteBytes = std::size_t{64} << 10;
  static constexpr std::size_t kBlockBytes = std::size_t{2} << 20;
  static constexpr std::size_t kBlocksAhead = 4;
  /// What a store without tables needs at least: four memtables of a few MiB.
  static constexpr std::uint64_t kLeastBytes = std::uint64_t{16} << 20;

  /// `bound_bytes`: 0 for none.
  explicit MemoryBudget(std::uint64_t bound_bytes, Source source = plain_source());

  /// Maps what is mapped ahead. Errors: `no_space`.
  Status open();

  std::uint64_t bound_bytes() const noexcept { return bound_bytes_; }
  std::uint64_t used_bytes(Part part) const noexcept {
    return used_[index(part)].load(std::memory_order_relaxed);
  }
  std::uint64_t used_bytes() const noexcept;

  void add(Part part, std::uint64_t bytes) noexcept;
  void remove(Part part, std::uint64_t bytes) noexcept;

  /// A block for a memtable. It is there for whoever asked before.
  BufferMemory take(std::size_t bytes);
  /// Tells that a memtable's blocks have gone.
  void give_back(std::uint64_t bytes) noexcept;
  /// How often that has been told.
  std::uint64_t times_given_back() const noexcept {
    return given_back_.load(std::memory_order_relaxed);
  }

  /// Memory that is kept for one write, until this ends. Lifetime: within the budget's.
  class Reservation {
   public:
    Reservation() = default;
    Reservation(Reservation&& other) noexcept
        : budget_(std::exchange(other.budget_, nullptr)), blocks_(std::move(other.blocks_)) {}
    Reservation& operator=(Reservation&& other) noexcept {
      std::swap(budget_, other.budget_);
      std::swap(blocks_, other.blocks_);
      return *this;
    }
    ~Reservation() {
      if (budget_ != nullptr) budget_->end(blocks_);
    }

   private:
    friend class MemoryBudget;
    Reservation(MemoryBudget* budget, std::vector<std::size_t> blocks)
        : budget_(budget), blocks_(std::move(blocks)) {}
    MemoryBudget* budget_ = nullptr;
    std::vector<std::size_t> blocks_;
  };

  /// Whether a write of `bytes` may begin without a reservation.
  bool has_room(std::size_t bytes) const noexcept {
    return !tight_.load(std::memory_order_relaxed) && bytes <= kSmallWriteBytes;
  }
  /// What a write takes of memtables: `pieces` in all, of any size, and one block of its own.
  struct Need {
    std::size_t pieces_bytes = 0;
    std::size_t block_bytes = 0;
  };
  /// Errors: `no_space`: the bound or the machine does not allow it.
  Result<Reservation> reserve(const Need& need);

  /// For tests: what the machine gives from now on.
  void set_source(Source source);

 private:
  static Source plain_source();
  static constexpr std::size_t index(Part part) noexcept { return static_cast<std::size_t>(part); }
  Status map_ahead() REQUIRES(mutex_);
  void end(const std::vector<std::size_t>& blocks);
  Error exceeded(std::uint64_t bytes) const;

  const std::uint64_t bound_bytes_;
  std::array<std::atomic<std::uint64_t>, 3> used_{};
  std::atomic<std::uint64_t> given_back_{0};
  std::atomic<bool> tight_{false};

  Mutex mutex_;
  Source source_ GUARDED_BY(mutex_);
  std::vector<std::size_t> wanted_ GUARDED_BY(mutex_);  // Sizes, the largest first.
  std::vector<BufferMemory> spare_ GUARDED_BY(mutex_);  // Sorted likewise.
};

/// What one part takes, told to a budget as it changes. `budget` outlives it, or is null.
class MemoryCharge {
 public:
  MemoryCharge(MemoryBudget* budget, MemoryBudget::Part part) noexcept
      : budget_(budget), part_(part) {}
  MemoryCharge(const MemoryCharge&) = delete;
  MemoryCharge& operator=(const MemoryCharge&) = delete;
  ~MemoryCharge() { set(0); }

  void set(std::uint64_t bytes) noexcept {
    if (budget_ == nullptr || bytes == bytes_) return;
    if (bytes > bytes_) budget_->add(part_, bytes - bytes_);
    if (bytes < bytes_) budget_->remove(part_, bytes_ - bytes);
    bytes_ = bytes;
  }

 private:
  MemoryBudget* const budget_;
  const MemoryBudget::Part part_;
  std::uint64_t bytes_ = 0;
};

}  // namespace nacre::store
