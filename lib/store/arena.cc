#include "lib/store/arena.h"

#include <sched.h>

#include <utility>

#include "lib/base/assert.h"
#include "lib/store/memory_budget.h"

namespace nacre::store {
namespace {

constexpr unsigned kHalf = 32;
constexpr std::uint64_t kLow = (std::uint64_t{1} << kHalf) - 1;

constexpr std::uint64_t aligned_up(std::uint64_t at, std::uint64_t alignment) noexcept {
  return (at + alignment - 1) & ~(alignment - 1);
}

}  // namespace

std::size_t current_stripe() noexcept {
  // A load from memory that the kernel keeps for each thread (rseq), where glibc has set it up.
  const int cpu = ::sched_getcpu();
  return cpu < 0 ? 0 : static_cast<std::size_t>(cpu) % kStripes;
}

Arena::Arena(MemoryBudget* budget)
    : budget_(budget), chunks_(std::make_unique<std::atomic<std::byte*>[]>(kMaxChunks)) {}

Arena::~Arena() {
  {
    const MutexLock lock(mutex_);
    memory_.clear();
  }
  if (budget_ != nullptr) budget_->give_back(reserved_bytes());
}

Arena::Piece Arena::allocate(std::size_t bytes, std::size_t alignment) {
  NACRE_ASSERT(bytes <= kMaxPieceBytes);
  const std::uint64_t units = (bytes + kUnitBytes - 1) / kUnitBytes;
  const std::uint64_t alignment_units = alignment / kUnitBytes;
  Span& span = spans_[current_stripe()];
  ArenaRef ref = take(span, units, alignment_units);
  if (ref == 0) ref = allocate_slowly(span, units, alignment_units);
  return {ref, data(ref)};
}

ArenaRef Arena::take(Span& span, std::uint64_t units, std::uint64_t alignment_units) noexcept {
  // Acquire, and release below: who takes from a span somebody else brought here may use its chunk.
  std::uint64_t rest = span.rest.load(std::memory_order_acquire);
  for (;;) {
    const std::uint64_t begin = aligned_up(rest & kLow, alignment_units);
    const std::uint64_t end = rest >> kHalf;
    if (begin + units > end) return 0;
    if (span.rest.compare_exchange_weak(rest, end << kHalf | (begin + units),
                                        std::memory_order_acq_rel, std::memory_order_acquire)) {
      return static_cast<ArenaRef>(begin);
    }
  }
}

ArenaRef Arena::allocate_slowly(Span& span, std::uint64_t units, std::uint64_t alignment_units) {
  const MutexLock lock(mutex_);
  if (units > kSpanUnits / 4) {
    return static_cast<ArenaRef>(take_from_chunk(units, alignment_units));
  }
  // Another thread of this processor may have brought a span meanwhile.
  if (const ArenaRef ref = take(span, units, alignment_units); ref != 0) return ref;
  const std::uint64_t begin = take_from_chunk(kSpanUnits, kSpanUnits);
  span.rest.store((begin + kSpanUnits) << kHalf | (begin + units), std::memory_order_release);
  return static_cast<ArenaRef>(begin);
}

std::uint64_t Arena::take_from_chunk(std::uint64_t units, std::uint64_t alignment_units) {
  std::uint64_t begin = aligned_up(next_unit_, alignment_units);
  if (begin + units > end_unit_) {
    const std::size_t chunk = end_unit_ / kChunkUnits;
    const bool an_arena_has_room_for_this_chunk = chunk + 1 < kMaxChunks;
    NACRE_ASSERT(an_arena_has_room_for_this_chunk);
    chunks_[chunk].store(map(kChunkBytes), std::memory_order_relaxed);
    begin = chunk * kChunkUnits;
    end_unit_ = begin + kChunkUnits;
    // Reference 0 is nobody's.
    if (begin == 0) begin = kSpanUnits;
  }
  taken_bytes_ += (begin + units - next_unit_) * kUnitBytes;
  next_unit_ = begin + units;
  return begin;
}

std::span<std::byte> Arena::allocate_bytes(std::size_t bytes) {
  if (bytes <= kMaxPieceBytes) return {allocate(bytes).data, bytes};
  const MutexLock lock(mutex_);
  taken_bytes_ += bytes;
  return {map(bytes), bytes};
}

std::byte* Arena::map(std::size_t bytes) {
  reserved_bytes_.fetch_add(bytes, std::memory_order_relaxed);
  if (budget_ != nullptr) return memory_.emplace_back(budget_->take(bytes)).bytes().data();
  Result<BufferMemory> memory = BufferMemory::create(bytes, {.kind = BufferMemoryKind::kPlain});
  const bool the_machine_has_memory_left = memory.has_value();
  NACRE_ASSERT(the_machine_has_memory_left);
  return memory_.emplace_back(std::move(*memory)).bytes().data();
}

std::size_t Arena::used_bytes() const {
  const MutexLock lock(mutex_);
  std::size_t unused = 0;
  for (const Span& span : spans_) {
    const std::uint64_t rest = span.rest.load(std::memory_order_relaxed);
    unused += ((rest >> kHalf) - (rest & kLow)) * kUnitBytes;
  }
  return taken_bytes_ - unused;
}

}  // namespace nacre::store
