#include "lib/store/memtable_set.h"

#include <algorithm>
#include <utility>

#include "wal/lane_segments.h"

namespace nacre::store {
namespace {

/// Whether to seal is asked so many times while a set fills.
constexpr std::uint64_t kQuestions = 64;

}  // namespace

const Memtable* MemtableSet::find(std::uint32_t keyspace_index) const noexcept {
  // Pairs with the releases below.
  const Chunk* chunk = chunks_[keyspace_index / kChunk].load(std::memory_order_acquire);
  if (chunk == nullptr) return nullptr;
  return chunk->memtables[keyspace_index % kChunk].load(std::memory_order_acquire);
}

Memtable& MemtableSet::memtable(const KeyspaceCore& keyspace) {
  const std::uint32_t index = keyspace.index();
  std::atomic<Chunk*>& chunk_slot = chunks_[index / kChunk];
  Chunk* chunk = chunk_slot.load(std::memory_order_acquire);
  if (chunk != nullptr) [[likely]] {
    Memtable* there = chunk->memtables[index % kChunk].load(std::memory_order_acquire);
    if (there != nullptr) [[likely]]
      return *there;
  }
  MutexLock lock(mutex_);
  chunk = chunk_slot.load(std::memory_order_relaxed);
  if (chunk == nullptr) {
    chunk = owned_chunks_.emplace_back(std::make_unique<Chunk>()).get();
    chunk_slot.store(chunk, std::memory_order_release);
  }
  std::atomic<Memtable*>& slot = chunk->memtables[index % kChunk];
  if (Memtable* there = slot.load(std::memory_order_relaxed); there != nullptr) return *there;
  Memtable* made =
      owned_.emplace_back(std::make_unique<Memtable>(keyspace.comparator(), arena_)).get();
  slot.store(made, std::memory_order_release);
  return *made;
}

void MemtableSet::keep(std::uint32_t lane, const wal::LaneSegment& segment) {
  std::atomic<const void*>& newest = kept_segments_[lane].newest;
  if (newest.load(std::memory_order_acquire) == &segment) [[likely]]
    return;
  MutexLock lock(mutex_);
  // Writers of one lane may come by in any order; a segment that is kept twice does no harm.
  pins_.push_back({.segment = segment.segment, .memory = nullptr, .bytes = {}});
  newest.store(&segment, std::memory_order_release);
}

void MemtableSet::keep(const SegmentPin& pin) {
  MutexLock lock(mutex_);
  if (std::ranges::find(pins_, pin.memory, &SegmentPin::memory) != pins_.end()) return;
  pins_.push_back(pin);
}

void MemtableSet::add_range_removal(const KeyspaceCore& keyspace, const RangeRemoval& removal,
                                    const BatchMark* mark) {
  auto* const added = new (arena_.allocate(sizeof(Removal)).data)
      Removal{.keyspace = &keyspace, .removal = removal, .mark = mark, .older = nullptr};
  added->older = newest_removal_.load(std::memory_order_relaxed);
  // Release, which the acquire of readers pairs with: who finds it finds all of it.
  while (!newest_removal_.compare_exchange_weak(added->older, added, std::memory_order_release,
                                                std::memory_order_relaxed)) {
  }
  removals_.fetch_add(1, std::memory_order_relaxed);
}

Sequence MemtableSet::newest_removal(const KeyspaceCore& keyspace, Bytes key,
                                     Sequence at) const noexcept {
  Sequence newest{};
  const Comparator& order = keyspace.comparator();
  for (const Removal* one = newest_removal_.load(std::memory_order_acquire); one != nullptr;
       one = one->older) {
    const RangeRemoval& removal = one->removal;
    if (one->keyspace != &keyspace || removal.sequence > at || removal.sequence <= newest) continue;
    if (order(removal.begin, key) > 0 || order(key, removal.end) >= 0 || !one->visible()) continue;
    newest = removal.sequence;
  }
  return newest;
}

std::vector<RangeRemoval> MemtableSet::range_removals(const KeyspaceCore& keyspace) const {
  std::vector<RangeRemoval> all;
  for (const Removal* one = newest_removal_.load(std::memory_order_acquire); one != nullptr;
       one = one->older) {
    if (one->keyspace == &keyspace && one->visible()) all.push_back(one->removal);
  }
  return all;
}

bool MemtableSet::add_log_bytes(std::size_t bytes) noexcept {
  std::atomic<std::uint64_t>& mine = log_bytes_[current_stripe()].bytes;
  const std::uint64_t before = mine.fetch_add(bytes, std::memory_order_relaxed);
  const std::uint64_t step = wanted_bytes_ / kQuestions + 1;
  if (before / step == (before + bytes) / step) [[likely]]
    return false;
  return this->bytes() >= wanted_bytes_;
}

std::uint64_t MemtableSet::log_bytes() const noexcept {
  std::uint64_t sum = 0;
  for (const Counter& counter : log_bytes_) sum += counter.bytes.load(std::memory_order_relaxed);
  return sum;
}

std::uint64_t MemtableSet::bytes() const noexcept { return log_bytes() + arena_.used_bytes(); }

}  // namespace nacre::store
