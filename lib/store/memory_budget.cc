#include "lib/store/memory_budget.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <iterator>

#include "lib/base/assert.h"
#include "lib/base/try.h"

namespace nacre::store {
namespace {

/// Of a block: a piece that does not fit into what is left of one begins another, and has a quarter
/// of a block at most.
constexpr std::size_t kFilledBytes = MemoryBudget::kBlockBytes / 4 * 3;

constexpr auto kLargestFirst = std::greater<>();

std::size_t size_of(const BufferMemory& memory) noexcept { return memory.bytes().size(); }

}  // namespace

MemoryBudget::Source MemoryBudget::plain_source() {
  return [](std::size_t bytes) {
    return BufferMemory::create(bytes, {.kind = BufferMemoryKind::kPlain});
  };
}

MemoryBudget::MemoryBudget(std::uint64_t bound_bytes, Source source)
    : bound_bytes_(bound_bytes), source_(std::move(source)), wanted_(kBlocksAhead, kBlockBytes) {}

Status MemoryBudget::open() {
  const MutexLock lock(mutex_);
  return map_ahead();
}

std::uint64_t MemoryBudget::used_bytes() const noexcept {
  std::uint64_t sum = 0;
  for (const auto& part : used_) sum += part.load(std::memory_order_relaxed);
  return sum;
}

void MemoryBudget::add(Part part, std::uint64_t bytes) noexcept {
  used_[index(part)].fetch_add(bytes, std::memory_order_relaxed);
  if (bound_bytes_ != 0 && used_bytes() > bound_bytes_) {
    tight_.store(true, std::memory_order_relaxed);
  }
}

void MemoryBudget::remove(Part part, std::uint64_t bytes) noexcept {
  used_[index(part)].fetch_sub(bytes, std::memory_order_relaxed);
}

BufferMemory MemoryBudget::take(std::size_t bytes) {
  add(Part::kMemtables, bytes);
  const MutexLock lock(mutex_);
  if (Result<BufferMemory> memory = source_(bytes)) return *std::move(memory);
  // Whoever comes next asks first, and has the place of this one mapped.
  tight_.store(true, std::memory_order_relaxed);
  const auto larger = std::ranges::lower_bound(spare_, bytes, kLargestFirst, size_of);
  // The last of those that are no smaller.
  const auto place = larger != spare_.end() && size_of(*larger) == bytes ? larger
                     : larger == spare_.begin()                          ? spare_.end()
                                                                         : std::prev(larger);
  const bool enough_was_mapped_ahead = place != spare_.end();
  NACRE_ASSERT(enough_was_mapped_ahead);
  BufferMemory memory = std::move(*place);
  spare_.erase(place);
  return memory;
}

void MemoryBudget::give_back(std::uint64_t bytes) noexcept {
  remove(Part::kMemtables, bytes);
  given_back_.fetch_add(1, std::memory_order_relaxed);
}

/// Sees to it that there is a spare block for each that is wanted, and no others.
Status MemoryBudget::map_ahead() {
  std::vector<BufferMemory> kept;
  std::size_t next = 0;
  for (const std::size_t wanted : wanted_) {
    // What is larger than any that is still wanted was for a write that has ended.
    while (next < spare_.size() && size_of(spare_[next]) > wanted) ++next;
    if (next < spare_.size() && size_of(spare_[next]) == wanted) {
      kept.push_back(std::move(spare_[next++]));
      continue;
    }
    Result<BufferMemory> memory = source_(wanted);
    if (!memory) {
      std::move(spare_.begin() + static_cast<std::ptrdiff_t>(next), spare_.end(),
                std::back_inserter(kept));
      std::ranges::sort(kept, kLargestFirst, size_of);
      spare_ = std::move(kept);
      return memory.error();
    }
    kept.push_back(*std::move(memory));
  }
  std::ranges::sort(kept, kLargestFirst, size_of);
  spare_ = std::move(kept);
  return {};
}

Error MemoryBudget::exceeded(std::uint64_t bytes) const {
  return Error(
      ErrorCode::kNoSpace,
      fmt::format("nothing was written, since it needs {} bytes of memory, and of the {} of "
                  "StoreOptions::memory_budget memtables have {} (with those that iterators and "
                  "values still read), tables {}, and tables being written {}; end old readers, "
                  "write less at once, or open the store with a larger budget",
                  bytes, bound_bytes_, used_bytes(Part::kMemtables), used_bytes(Part::kTables),
                  used_bytes(Part::kBuilders)));
}

Result<MemoryBudget::Reservation> MemoryBudget::reserve(const Need& need) {
  const std::uint64_t bytes = need.pieces_bytes + need.block_bytes;
  const bool is_small = bytes <= kSmallWriteBytes;
  if (bound_bytes_ != 0 && used_bytes() + (is_small ? 0 : bytes) > bound_bytes_) {
    return exceeded(bytes);
  }
  std::vector<std::size_t> blocks;
  if (!is_small) {
    blocks.assign(need.pieces_bytes / kFilledBytes + 1, kBlockBytes);
    if (need.block_bytes > 0) blocks.push_back(need.block_bytes);
  }
  const MutexLock lock(mutex_);
  wanted_.insert(wanted_.end(), blocks.begin(), blocks.end());
  std::ranges::sort(wanted_, kLargestFirst);
  if (const Status mapped = map_ahead(); !mapped) {
    for (const std::size_t block : blocks) wanted_.erase(std::ranges::find(wanted_, block));
    return Error(mapped.error().code(),
                 fmt::format("nothing was written, since the machine has no memory for it: {}",
                             mapped.error().message()))
        .with_errno(mapped.error().sys_errno());
  }
  tight_.store(false, std::memory_order_relaxed);
  if (blocks.empty()) return Reservation();
  return Reservation(this, std::move(blocks));
}

void MemoryBudget::end(const std::vector<std::size_t>& blocks) {
  const MutexLock lock(mutex_);
  for (const std::size_t block : blocks) wanted_.erase(std::ranges::find(wanted_, block));
  if (spare_.size() <= wanted_.size()) return;
  // What was not needed. Should a block be missing now, the next who asks has it mapped.
  if (!map_ahead()) tight_.store(true, std::memory_order_relaxed);
}

void MemoryBudget::set_source(Source source) {
  const MutexLock lock(mutex_);
  source_ = std::move(source);
}

}  // namespace nacre::store
