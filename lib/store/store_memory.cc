// The memory budget of a store: what it allows memtables, and what becomes of writers at its bound.

#include <fmt/format.h>

#include <algorithm>
#include <thread>

#include "lib/base/try.h"
#include "lib/store/store_core.h"
#include "lib/store/write_format.h"

namespace nacre::store {
namespace {

/// Into so many memtables the budget goes: one that takes writes, and others that become tables.
constexpr std::uint64_t kMemtablesInBudget = 4;
constexpr std::uint64_t kMinMemtableBytes = std::uint64_t{1} << 20;
constexpr std::uint64_t kMaxTableBytes = std::uint64_t{64} << 20;
/// One that is being made takes less memory than it has bytes, and may take so much of the budget.
constexpr std::uint64_t kTablesInBudget = 8;

/// In a memtable, a write takes its key and so much for its record, its version and its part of a
/// leaf that is half full ...
constexpr std::size_t kBytesOfWrite = 128;
/// ... and it may split a leaf that was full before, but no more of them than there are.
constexpr std::size_t kBytesOfSplit = sizeof(MemtableNode) + sizeof(MemtableInnerNode);

/// A writer has memtables written so often before it gives up: each time others may have taken what
/// that brought.
constexpr int kMostAttempts = 4;
constexpr int kLooksAtReaders = 1000;

}  // namespace

std::uint64_t StoreCore::table_bytes() const noexcept {
  if (memory_.bound_bytes() == 0) return kMaxTableBytes;
  return std::min(kMaxTableBytes, memory_.bound_bytes() / kTablesInBudget);
}

Status StoreCore::open_memory(const TableSet& tables) {
  const std::uint64_t budget = memory_.bound_bytes();
  const std::uint64_t of_tables = tables.memory_bytes();
  const std::uint64_t least = MemoryBudget::kLeastBytes + of_tables;
  if (budget != 0 && budget < least) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("memory_budget is {} bytes, and this store needs {} at least: {} for "
                             "memtables and {} for its {} tables",
                             budget, least, MemoryBudget::kLeastBytes, of_tables, recovery_.tables))
        .with_path(log_.set().directory().string());
  }
  table_memory_.set(of_tables);
  memtable_bytes_ = options_.memtable_bytes;
  if (budget != 0) {
    memtable_bytes_ = std::clamp((budget - of_tables) / kMemtablesInBudget, kMinMemtableBytes,
                                 options_.memtable_bytes);
  }
  return memory_.open();
}

MemoryBudget::Need StoreCore::memory_for(Bytes key, Bytes value) {
  const std::size_t copied = log_.keeps_records_in_place() ? 0 : value.size();
  const bool is_piece = copied <= Arena::kMaxPieceBytes;
  return {.pieces_bytes = key.size() + kBytesOfWrite + kBytesOfSplit + (is_piece ? copied : 0),
          .block_bytes = is_piece ? 0 : copied};
}

MemoryBudget::Need StoreCore::memory_for(Bytes record) {
  std::size_t count = 0;
  std::size_t bytes = 0;
  WriteReader writes(record);
  while (const auto write = writes.next()) {
    count += 1;
    bytes += write->key.size() + kBytesOfWrite;
  }
  MemoryBudget::Need need = memory_for({}, record);
  need.pieces_bytes +=
      bytes + std::min<std::size_t>(count * kBytesOfSplit, options_.memtable_bytes);
  return need;
}

Result<MemoryBudget::Reservation> StoreCore::reserve_memory(const MemoryBudget::Need& need) {
  for (int attempt = 1;; ++attempt) {
    const std::uint64_t given_back = memory_.times_given_back();
    auto reserved = memory_.reserve(need);
    if (reserved || attempt == kMostAttempts) return reserved;
    if (attempt == 1) stopped_writes_.fetch_add(1, std::memory_order_relaxed);
    if (!NACRE_TRY(await_memory(given_back))) return reserved;
  }
}

/// A get that is under way lets go in a moment; an iterator may not.
bool StoreCore::readers_let_go(std::uint64_t times_given_back) const {
  for (int look = 0; look < kLooksAtReaders; ++look) {
    if (memory_.times_given_back() != times_given_back) return true;
    if (states_->kept() == 1 && being_freed_.load(std::memory_order_relaxed) == 0) break;
    std::this_thread::yield();
  }
  return memory_.times_given_back() != times_given_back;
}

/// Has memtables written into tables, and waits until one has gone. False when none can go: then
/// readers keep what there is, or the machine has given it to others.
Result<bool> StoreCore::await_memory(std::uint64_t times_given_back) {
  const auto decided = [this, times_given_back] {
    return memory_.times_given_back() != times_given_back ||
           flush_failed_.load(std::memory_order_relaxed) ||
           (sealed_.load(std::memory_order_relaxed) == 0 &&
            being_freed_.load(std::memory_order_relaxed) == 0);
  };
  bool only_readers_hold_any = false;
  {
    MutexLock lock(mutex_);
    if (closed_) return store_closed();
    const bool none_sealed = states_->newest().sealed.empty();
    if (none_sealed && !states_->newest().active->is_empty()) seal_active();
    only_readers_hold_any = states_->newest().sealed.empty() && decided();
    if (!only_readers_hold_any) schedule_flush();
  }
  if (only_readers_hold_any) return readers_let_go(times_given_back);
  if (!executor().has_threads()) executor().run_until(decided);
  MutexLock lock(mutex_);
  while (!decided() && !closed_) room_.wait(mutex_);
  if (closed_) return store_closed();
  if (flush_failed_.load(std::memory_order_relaxed) && flush_error_) return *flush_error_;
  return true;
}

}  // namespace nacre::store
