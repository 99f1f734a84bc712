#pragma once

// The newest writes of a store: a memtable for each keyspace, all of them over one arena and one
// stretch of the log, from one LSN to another. They are sealed together, go into tables together,
// and then their stretch of the log goes.
//
// Thread safety: every member may be called from any thread.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <vector>

#include "lib/base/thread_annotations.h"
#include "lib/store/arena.h"
#include "lib/store/keyspace_core.h"
#include "lib/store/memtable.h"
#include "lib/store/table_info.h"
#include "lib/store/write_log.h"
#include "nacre/types.h"

namespace nacre::store {

/// So many sets may wait to be written into tables; then writers wait for them.
inline constexpr std::size_t kMaxSealed = 4;

class MemtableSet {
 public:
  /// `wanted_bytes`: of log and memory together, from which on it wants to be sealed. `budget`: see
  /// Arena.
  explicit MemtableSet(std::uint64_t wanted_bytes, MemoryBudget* budget = nullptr)
      : wanted_bytes_(wanted_bytes), arena_(budget) {}

  /// Whether a write with `lsn` belongs here or into an earlier one.
  bool takes(Lsn lsn) const noexcept { return lsn.value <= last_.load(std::memory_order_seq_cst); }
  Lsn last() const noexcept { return Lsn{last_.load(std::memory_order_seq_cst)}; }
  /// Takes no write above `last` any more.
  void end_at(Lsn last) noexcept { last_.store(last.value, std::memory_order_seq_cst); }

  /// The memtable of a keyspace; null when nothing has been written to it.
  const Memtable* find(std::uint32_t keyspace_index) const noexcept;
  Memtable& memtable(const KeyspaceCore& keyspace);

  Arena& arena() noexcept { return arena_; }

  /// Keeps the segment of a record that memtables point into. REQUIRES: its write is under way.
  void keep(std::uint32_t lane, const wal::LaneSegment& segment);
  void keep(const SegmentPin& pin);

  /// Removes what is in [begin, end) of a keyspace and has a lower sequence; for every reader on
  /// return, or once `mark` is published. Lifetime: as of the values in the memtables.
  void add_range_removal(const KeyspaceCore& keyspace, const RangeRemoval& removal,
                         const BatchMark* mark);
  /// False as a rule, and then the two below need not be asked.
  bool has_range_removals() const noexcept {
    return newest_removal_.load(std::memory_order_acquire) != nullptr;
  }
  /// The sequence of the newest that removes `key`, of `at` or before; 0 when there is none.
  Sequence newest_removal(const KeyspaceCore& keyspace, Bytes key, Sequence at) const noexcept;
  std::vector<RangeRemoval> range_removals(const KeyspaceCore& keyspace) const;
  /// Each read looks at all of them, so that a set takes about so many, and wants to be sealed.
  static constexpr std::uint64_t kMostRangeRemovals = 256;
  bool is_full_of_removals() const noexcept {
    return removals_.load(std::memory_order_relaxed) >= kMostRangeRemovals;
  }

  /// Counts a record of the log. True when the set should be sealed; now and then, not each time.
  bool add_log_bytes(std::size_t bytes) noexcept;
  /// Bytes of the log, and of memory.
  std::uint64_t bytes() const noexcept;
  std::uint64_t log_bytes() const noexcept;
  bool is_empty() const noexcept { return log_bytes() == 0; }

 private:
  static constexpr std::size_t kChunk = 64;
  struct Chunk {
    std::array<std::atomic<Memtable*>, kChunk> memtables{};
  };
  struct alignas(64) Counter {
    std::atomic<std::uint64_t> bytes{0};
  };
  struct alignas(64) KeptSegment {
    std::atomic<const void*> newest{nullptr};
  };

  struct Removal {
    const KeyspaceCore* keyspace;
    RangeRemoval removal;
    const BatchMark* mark;  ///< Null for a single write.
    const Removal* older;
    bool visible() const noexcept { return mark == nullptr || mark->published(); }
  };

  const std::uint64_t wanted_bytes_;
  std::atomic<std::uint64_t> last_{std::numeric_limits<std::uint64_t>::max()};
  std::atomic<const Removal*> newest_removal_{nullptr};  // They lie in the arena.
  std::atomic<std::uint64_t> removals_{0};
  Arena arena_;
  std::array<std::atomic<Chunk*>, kMaxKeyspaces / kChunk> chunks_{};
  std::array<Counter, kStripes> log_bytes_;
  std::array<KeptSegment, kManifestLane + 1 + kMaxWriteLanes> kept_segments_;

  Mutex mutex_;
  std::vector<std::unique_ptr<Chunk>> owned_chunks_ GUARDED_BY(mutex_);
  std::vector<std::unique_ptr<Memtable>> owned_ GUARDED_BY(mutex_);
  std::vector<SegmentPin> pins_ GUARDED_BY(mutex_);
};

}  // namespace nacre::store
