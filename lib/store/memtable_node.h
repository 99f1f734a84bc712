#pragma once

// A node of the memtable's B+-tree: up to 127 keys in order, each a word of 8 bytes.
//
// A word is the key's head, 4 bytes, over the reference of its record. The head is taken behind the
// prefix that all keys of the node share (G. Graefe, "Modern B-Tree Techniques", Foundations and
// Trends in Databases 3(4), 2011, section 3.5), so that nearly every comparison of a search stays
// in the node, and one record is visited at the end. The prefix is what the two fences have in
// common: the keys between which the node's keys lie.
//
//   low fence <= key < high fence; the first key of a leaf is its low fence, if it has one
//
// An inner node has a child more than it has keys: child i+1 begins with key i.
//
// Thread safety: a reader takes the lock's version, reads, and asks whether it is unchanged; until
// then what it has read may not belong together, but every reference is one of a record or a node
// that is there. A change is made with the lock held. Level and place in the tree's height never
// change.

#include <array>
#include <atomic>
#include <compare>
#include <cstddef>
#include <cstdint>

#include "lib/store/arena.h"
#include "lib/store/memtable_entry.h"
#include "lib/store/optimistic_lock.h"
#include "nacre/comparator.h"
#include "nacre/types.h"

namespace nacre::store {

/// What the nodes of one tree have in common.
struct KeyOrder {
  const Comparator& compare;
  Arena& arena;

  const KeyRecord& record(ArenaRef ref) const noexcept { return *arena.at<const KeyRecord>(ref); }
  Bytes key(ArenaRef ref) const noexcept { return record(ref).key(); }
  std::uint32_t head(Bytes key, std::size_t skip) const noexcept {
    return static_cast<std::uint32_t>(compare.head(key, skip) >> 32);
  }
};

class alignas(64) MemtableNode {
 public:
  static constexpr unsigned kSlots = 127;

  /// Where a key stands, or would: behind `index` lesser ones.
  struct Place {
    unsigned index = 0;
    /// That of the key, which it stays whatever becomes of the node; 0 when the key is not there.
    /// Never read again by the index: another may stand there by then.
    ArenaRef record = 0;

    bool found() const noexcept { return record != 0; }
  };

  static MemtableNode* create_leaf(std::byte* place) noexcept;

  OptimisticLock& lock() noexcept { return lock_; }
  const OptimisticLock& lock() const noexcept { return lock_; }

  /// 0 in a leaf.
  unsigned level() const noexcept { return level_; }
  unsigned count() const noexcept { return count_.load(std::memory_order_acquire); }
  /// Of the record of the i-th key, i < kSlots. No reference at all when the node was changed since
  /// its count was read: ask for that before it is followed.
  ArenaRef record(unsigned i) const noexcept { return static_cast<ArenaRef>(slot(i)); }
  /// Of the fences' records; 0 where the node has no end on this side.
  ArenaRef low() const noexcept { return low_.load(std::memory_order_acquire); }
  ArenaRef high() const noexcept { return high_.load(std::memory_order_acquire); }

  /// `key` lies between the fences, or the node has been changed.
  Place find(const KeyOrder& order, Bytes key) const;

  /// Asks for all lines of the node at once: a search would meet them one behind the other.
  void prefetch() const noexcept {
    const auto* const begin = reinterpret_cast<const std::byte*>(this);
    for (std::size_t line = 0; line < sizeof *this; line += 64) __builtin_prefetch(begin + line);
  }

  /// Asks for the record of the i-th key, if it has one.
  void prefetch_record(const KeyOrder& order, unsigned i) const noexcept {
    const std::uint64_t word = slot(i);
    if (word != kNone) __builtin_prefetch(&order.record(static_cast<ArenaRef>(word)));
  }

  /// REQUIRES: locked, not full, the key between the fences.
  void insert(const KeyOrder& order, unsigned index, ArenaRef record) noexcept;

  /// Moves the keys from the `first` on to `right`, a leaf nobody knows yet, which begins with
  /// `separator`.
  /// REQUIRES: locked.
  void split_leaf(const KeyOrder& order, unsigned first, ArenaRef separator,
                  MemtableNode& right) noexcept;

 protected:
  explicit MemtableNode(unsigned level) noexcept : level_(static_cast<std::uint16_t>(level)) {
    for (auto& slot : slots_) slot.store(kNone, std::memory_order_relaxed);
  }

  /// Keeps the first `keep` keys, moves those from the `first` on to `right`.
  void split_keys(const KeyOrder& order, unsigned keep, unsigned first, ArenaRef separator,
                  MemtableNode& right) noexcept;
  void set_count(unsigned count) noexcept {
    count_.store(static_cast<std::uint16_t>(count), std::memory_order_release);
  }

 private:
  /// Stands behind the last key, above every word of a key. A search then takes the same steps in
  /// every node, which a processor can run ahead on while it waits for the node.
  static constexpr std::uint64_t kNone = ~std::uint64_t{0};

  static std::uint64_t word(std::uint32_t head, ArenaRef record) noexcept {
    return std::uint64_t{head} << 32 | record;
  }
  std::uint64_t slot(unsigned i) const noexcept {
    return slots_[i].load(std::memory_order_acquire);
  }
  void set_slot(unsigned i, std::uint64_t word) noexcept {
    slots_[i].store(word, std::memory_order_release);
  }
  unsigned count_below(std::uint64_t bound) const noexcept;
  Place find_among(const KeyOrder& order, Bytes key, unsigned begin, unsigned end) const;
  void set_fences(const KeyOrder& order, ArenaRef low, ArenaRef high) noexcept;

  OptimisticLock lock_;
  std::atomic<ArenaRef> low_{0};
  std::atomic<ArenaRef> high_{0};
  std::atomic<std::uint32_t> skip_{0};  ///< Bytes of the shared prefix.
  std::atomic<std::uint16_t> count_{0};
  const std::uint16_t level_;
  std::array<std::atomic<std::uint64_t>, kSlots + 1> slots_;  ///< The last is always kNone.
};

class MemtableInnerNode : public MemtableNode {
 public:
  /// A root over one child.
  static MemtableInnerNode* create(std::byte* place, unsigned level, ArenaRef child) noexcept;

  /// Of the child behind i keys.
  ArenaRef child(unsigned i) const noexcept { return children_[i].load(std::memory_order_acquire); }

  /// Puts a child, whose first key is `separator`, behind the one at `index`.
  /// REQUIRES: locked, not full.
  void insert_child(const KeyOrder& order, unsigned index, ArenaRef separator,
                    ArenaRef child) noexcept;

  /// Moves the upper half to `right`, a node nobody knows yet. Returns the key it begins with.
  /// REQUIRES: locked.
  ArenaRef split(const KeyOrder& order, MemtableInnerNode& right) noexcept;

 private:
  explicit MemtableInnerNode(unsigned level) noexcept : MemtableNode(level) {}

  std::array<std::atomic<ArenaRef>, kSlots + 1> children_;
};

static_assert(sizeof(MemtableNode) == 1088);

}  // namespace nacre::store
