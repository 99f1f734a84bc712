#pragma once

// The newest writes of one keyspace, in DRAM and in the order of their keys, until they stand in a
// table. Keys are copied into the arena, values are not: a version points to where its value lies,
// as a rule into the write-ahead log.
//
// A B+-tree with optimistic locks whose nodes only ever split; docs/architecture.md, "The
// memtable", says why, with figures.
//
// Thread safety: every member may be called from any thread, any number at once. Readers store
// nothing that others read. Who meets a node in the moment in which it is changed waits for that.
// Invariants: nothing moves or is freed before the arena dies; what was once found stays good.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "lib/store/arena.h"
#include "lib/store/entry.h"
#include "lib/store/memtable_entry.h"
#include "lib/store/memtable_node.h"
#include "nacre/comparator.h"
#include "nacre/types.h"

namespace nacre::store {

class Memtable {
 public:
  class Cursor;

  /// Several memtables may share an arena, which outlives them.
  Memtable(Comparator comparator, Arena& arena);
  Memtable(const Memtable&) = delete;
  Memtable& operator=(const Memtable&) = delete;

  /// Adds one write of `key`, at most kMaxKeyBytes, which is copied. It is there for every reader
  /// on return, or once `mark` is published. Writes of a key may come in any order of their
  /// sequences; of two with one sequence the later comes first.
  /// Lifetime: the bytes of `value`, at most Version::kMaxBytes, outlive the memtable. `mark` was
  /// created in its arena.
  void insert(Bytes key, Sequence sequence, EntryKind kind, Bytes value, BatchMark* mark = nullptr);

  /// The newest visible version of `key` of `at` or before; null when there is none.
  /// Lifetime: the arena's.
  const Version* find(Bytes key, Sequence at) const;
  /// The next visible version of the same key behind `version`; null when there is none.
  const Version* older(const Version& version) const noexcept {
    return VersionChain::older(order_.arena, version);
  }

  /// Writes inserted, those of unpublished batches among them.
  std::uint64_t entries() const noexcept { return sum(&Counts::entries); }
  /// Bytes of DRAM in nodes, keys and versions; the values are not counted.
  std::uint64_t bytes() const noexcept { return sum(&Counts::bytes); }

  const Comparator& comparator() const noexcept { return comparator_; }

 private:
  /// Which leaf a descent looks for.
  enum class Toward : std::uint8_t {
    kFirst,   ///< The first of all.
    kKey,     ///< The one whose keys surround a key.
    kBefore,  ///< The one with the last key before a key.
    kLast,    ///< The last of all.
  };
  /// A leaf as it was at one moment.
  struct LeafRead {
    MemtableNode* leaf = nullptr;
    std::uint64_t version = 0;
  };
  /// A leaf and where it hangs; without a parent it is the root.
  struct InsertPath {
    MemtableInnerNode* parent = nullptr;
    std::uint64_t parent_version = 0;
    unsigned child_index = 0;
    MemtableNode* node = nullptr;
    std::uint64_t version = 0;
  };
  struct alignas(64) Counts {
    std::atomic<std::uint64_t> entries{0};
    std::atomic<std::uint64_t> bytes{0};
  };
  class Record;

  LeafRead descend(Toward toward, Bytes key) const;
  unsigned child_index(const MemtableInnerNode& inner, Toward toward, Bytes key) const;
  bool descend_to_insert(Bytes key, InsertPath& path);
  bool try_insert(Record& record);
  static bool lock(const InsertPath& path) noexcept;
  static void unlock(const InsertPath& path) noexcept;
  void split_inner(const InsertPath& path);
  bool split_leaf(const InsertPath& path, unsigned index, ArenaRef record);
  void hang(const InsertPath& path, ArenaRef separator, ArenaRef right);

  MemtableNode* node(ArenaRef ref) const noexcept { return order_.arena.at<MemtableNode>(ref); }
  MemtableNode* begin_at_root(std::uint64_t& version) const noexcept;
  Arena::Piece allocate(std::size_t bytes, std::size_t alignment = Arena::kUnitBytes);
  std::uint64_t sum(std::atomic<std::uint64_t> Counts::* count) const noexcept;

  const Comparator comparator_;
  const KeyOrder order_;
  std::atomic<ArenaRef> root_{0};
  std::array<Counts, kStripes> counts_;
};

/// Walks over keys in order, both ways, while others insert: sees every key that was there when it
/// was set up, and perhaps later ones. A key may be met all of whose versions are invisible.
///
/// Thread safety: none; one thread at a time. Lifetime: within the memtable's.
class Memtable::Cursor {
 public:
  explicit Cursor(const Memtable& memtable) noexcept : memtable_(&memtable) {}

  void seek_first();
  void seek_last();
  /// To the first key at or after `key`.
  void seek(Bytes key);
  /// To the last key at or before `key`.
  void seek_for_prev(Bytes key);

  /// False past either end, and before the first seek. What follows REQUIRES: valid().
  bool valid() const noexcept { return record_ != nullptr; }
  void next();
  void prev();

  /// Lifetime: the arena's.
  Bytes key() const noexcept { return record_->key(); }
  /// As `find` for this key; `Memtable::older` goes on from there.
  const Version* version(Sequence at = kNewest) const noexcept {
    return record_->versions().find(memtable_->order_.arena, at);
  }

 private:
  /// So many keys ahead of the cursor their records are asked for.
  static constexpr unsigned kAhead = 8;

  enum class Side : std::uint8_t { kBefore, kAtOrBefore, kAtOrAfter, kAfter };
  void seek_to(Side side, Bytes key);
  void seek_end(Toward toward);
  bool take(const LeafRead& read, unsigned index);

  const Memtable* memtable_;
  const KeyRecord* record_ = nullptr;
  /// Where the record stood when it was read.
  LeafRead read_;
  unsigned index_ = 0;
};

}  // namespace nacre::store
