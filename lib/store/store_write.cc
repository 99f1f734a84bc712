// Writes: into the log, and once they are durable into a memtable.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <thread>
#include <utility>

#include "lib/base/try.h"
#include "lib/store/store_core.h"
#include "lib/store/write_format.h"

namespace nacre::store {
namespace {

/// A write's header and its key are put together on the stack up to this size.
constexpr std::size_t kInlinePrefixBytes = 256;

/// The header of a write and its key, in one piece.
class Prefix {
 public:
  Prefix(const KeyspaceCore& keyspace, EntryKind kind, Bytes key, Bytes value) {
    WriteHeader header{};
    header.kind = static_cast<std::uint8_t>(kind);
    header.keyspace = keyspace.id();
    header.key_bytes = static_cast<std::uint32_t>(key.size());
    header.value_bytes = static_cast<std::uint32_t>(value.size());
    std::byte* to = inline_.data();
    bytes_ = sizeof header + key.size();
    if (bytes_ > inline_.size()) {
      long_.resize(bytes_);
      to = long_.data();
    }
    std::memcpy(to, &header, sizeof header);
    if (!key.empty()) std::memcpy(to + sizeof header, key.data(), key.size());
  }
  Bytes bytes() const noexcept { return {long_.empty() ? inline_.data() : long_.data(), bytes_}; }

 private:
  std::array<std::byte, kInlinePrefixBytes> inline_;
  std::vector<std::byte> long_;
  std::size_t bytes_ = 0;
};

KeyLocks::Mask mask_of(Bytes record) {
  KeyLocks::Mask mask = 0;
  WriteReader writes(record);
  while (const auto write = writes.next()) {
    mask |= write->kind == kRemoveRangeKind ? KeyLocks::kAll
                                            : KeyLocks::mask_of(write->keyspace, write->key);
  }
  return mask;
}

Status check_write(const WriteView& write, const KeyspaceCore& keyspace) {
  if (write.kind == static_cast<std::uint8_t>(EntryKind::kMerge) && !keyspace.merge()) {
    return no_merge_operator(keyspace.name());
  }
  if (write.kind == kRemoveRangeKind && keyspace.comparator()(write.key, write.value) >= 0) {
    return Error(ErrorCode::kInvalidArgument,
                 "a range is removed whose end is not behind its beginning; give the first key "
                 "that is to stay");
  }
  return {};
}

}  // namespace

Status check_sizes(std::size_t key_bytes, std::size_t value_bytes) {
  if (key_bytes > kMaxKeyBytes) {
    return Error(
        ErrorCode::kInvalidArgument,
        fmt::format("a key of {} bytes, where keys have at most {}", key_bytes, kMaxKeyBytes));
  }
  if (value_bytes > kMaxValueBytes) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("a value of {} bytes, where values have at most {}; split it",
                             value_bytes, kMaxValueBytes));
  }
  return {};
}

Error store_closed() {
  return Error(ErrorCode::kClosed, "the store is closed; open it again to use it");
}

Error no_merge_operator(std::string_view keyspace) {
  return Error(ErrorCode::kInvalidArgument,
               fmt::format("the keyspace \"{}\" has no merge operator; create one with it "
                           "(KeyspaceOptions::merge, StoreOptions::merge)",
                           keyspace));
}

Error keyspace_dropped(std::string_view name) {
  return Error(ErrorCode::kNotFound,
               fmt::format("the keyspace {} has been dropped; create it anew", name));
}

Status StoreCore::await_room(std::size_t bytes) {
  if (closing_.load(std::memory_order_relaxed)) [[unlikely]] {
    return store_closed();
  }
  if (const std::uint64_t delay_ns = throttle_.delay_ns(bytes); delay_ns > 0) {
    slowed_writes_.fetch_add(1, std::memory_order_relaxed);
    slowed_ns_.fetch_add(delay_ns, std::memory_order_relaxed);
    std::this_thread::sleep_for(std::chrono::nanoseconds(delay_ns));
  }
  if (sealed_.load(std::memory_order_relaxed) < kMaxSealed) [[likely]] {
    return {};
  }
  stopped_writes_.fetch_add(1, std::memory_order_relaxed);
  const auto decided = [this] {
    return sealed_.load(std::memory_order_relaxed) < kMaxSealed ||
           flush_failed_.load(std::memory_order_relaxed);
  };
  // Threads of an executor work while this one sleeps: a writer that ran their tasks itself might
  // come upon one that takes far longer than the flush that it waits for.
  if (!executor().has_threads()) executor().run_until(decided);
  MutexLock lock(mutex_);
  while (!decided() && !closed_) room_.wait(mutex_);
  if (sealed_.load(std::memory_order_relaxed) < kMaxSealed) return {};
  schedule_flush();  // There may be room again by the next write.
  return flush_error_.has_value() ? Status(*flush_error_) : Status();
}

/// The state in which writes with `lsn` have their memtables. A write that has drawn a higher LSN
/// than the newest set takes is ahead of the next one's publication, which is at hand.
ReadPin StoreCore::pin_for(Lsn lsn, MemtableSet*& set) const {
  while (true) {
    ReadPin pin = states_->pin();
    const ReadState& state = ReadStates::state(pin);
    if (state.active->takes(lsn)) {
      set = state.active.get();
      for (const auto& sealed : state.sealed) {
        if (!sealed->takes(lsn)) break;
        set = sealed.get();
      }
      return pin;
    }
    pin.reset();
    std::this_thread::yield();
  }
}

/// Sees to it that `bytes`, which lie at `offset` of a record, stay where what is returned says.
Bytes StoreCore::keep(MemtableSet& set, const LoggedWrite& logged, Bytes bytes,
                      std::size_t offset) {
  if (logged.segment != nullptr) {
    set.keep(logged.lane, *logged.segment);
    return logged.record.subspan(offset);
  }
  const std::span<std::byte> copy = set.arena().allocate_bytes(bytes.size());
  std::ranges::copy(bytes, copy.begin());
  return copy;
}

/// Says that a write is under way that holds the locks of its keys, if a transaction is open.
template <class Mask>
InFlight::Write StoreCore::begin_write(KeyLocks::Guard& locks, Mask&& mask) {
  {
    InFlight::Write under_way = log_.begin();
    if (!key_locks_.any_open()) [[likely]]
      return under_way;
  }
  // Not under way while it waits for locks: who holds them must not have to wait for it.
  locks = key_locks_.lock(mask());
  return log_.begin();
}

Status StoreCore::write(const KeyspaceCore& keyspace, EntryKind kind, Bytes key, Bytes value) {
  NACRE_TRY(check_sizes(key.size(), value.size()));
  NACRE_TRY(await_room(key.size() + value.size()));
  if (keyspace.is_dropped()) return keyspace_dropped(keyspace.name());
  MemoryBudget::Reservation memory;
  if (!memory_.has_room(key.size() + value.size())) [[unlikely]] {
    memory = NACRE_TRY(reserve_memory(memory_for(key, value)));
  }
  const Prefix prefix(keyspace, kind, key, value);
  MemtableSet* set = nullptr;
  ReadPin pin;
  bool full = false;
  {
    KeyLocks::Guard locks;
    InFlight::Write under_way =
        begin_write(locks, [&] { return KeyLocks::mask_of(keyspace.id(), key); });
    const LoggedWrite logged = NACRE_TRY(log_.append(under_way, prefix.bytes(), value));
    // It is durable, and may be seen from here on.
    pin = pin_for(logged.sequence.lsn(), set);
    log_.await_turn(logged.sequence, /*is_batch=*/false);
    const Bytes kept = keep(*set, logged, value, prefix.bytes().size());
    set->memtable(keyspace).insert(key, logged.sequence, kind, kept);
    full = set->add_log_bytes(prefix.bytes().size() + value.size());
  }
  if (full) [[unlikely]] {
    seal(*set);
  }
  return {};
}

Status StoreCore::check_size(Bytes record) const {
  if (record.size() <= max_record_bytes_) return {};
  return Error(ErrorCode::kInvalidArgument,
               fmt::format("a batch of {} bytes, where this store takes at most {}; split it",
                           record.size(), max_record_bytes_));
}

Status StoreCore::write_batch(Bytes record) {
  NACRE_TRY(check_size(record));
  NACRE_TRY(await_room(record.size()));
  NACRE_TRY(check_writes(record));
  MemoryBudget::Reservation memory;
  if (!memory_.has_room(record.size())) memory = NACRE_TRY(reserve_memory(memory_for(record)));
  KeyLocks::Guard locks;
  return append_record(record, begin_write(locks, [&] { return mask_of(record); }));
}

Status StoreCore::append_record(Bytes record, InFlight::Write under_way) {
  MemtableSet* set = nullptr;
  ReadPin pin;
  bool full = false;
  {
    const WriteLog::BatchUnderWay batch(log_);
    InFlight::Write until_inserted = std::move(under_way);
    const LoggedWrite logged = NACRE_TRY(log_.append(until_inserted, {}, record));
    pin = pin_for(logged.sequence.lsn(), set);
    log_.await_turn(logged.sequence, /*is_batch=*/true);
    const Bytes kept = keep(*set, logged, record, 0);
    insert_all(*set, *ReadStates::state(pin).keyspaces, kept, logged.sequence);
    full = set->add_log_bytes(record.size()) || set->is_full_of_removals();
  }
  if (full) seal(*set);
  return {};
}

Status StoreCore::check_writes(Bytes record) const {
  const ReadPin pin = states_->pin();
  const KeyspaceMap& keyspaces = *ReadStates::state(pin).keyspaces;
  WriteReader writes(record);
  while (const auto write = writes.next()) {
    const auto keyspace = keyspaces.find(write->keyspace);
    if (keyspace == keyspaces.end()) return keyspace_dropped("of a write in the batch");
    NACRE_TRY(check_write(*write, *keyspace->second));
  }
  return {};
}

void insert_all(MemtableSet& set, const KeyspaceMap& keyspaces, Bytes record, Sequence sequence) {
  WriteReader writes(record);
  auto write = writes.next();
  if (!write) return;
  BatchMark* mark = nullptr;
  const bool removes_ranges = has_range_removal(record);
  while (write) {
    const WriteView current = *write;
    const WriteReader rest = writes;
    write = writes.next();
    // A single write is seen at once or not at all by itself.
    if (write && mark == nullptr) mark = BatchMark::create(set.arena());
    // What was written to a keyspace before it was dropped goes nowhere.
    const auto keyspace = keyspaces.find(current.keyspace);
    if (keyspace == keyspaces.end()) continue;
    const KeyspaceCore& to = *keyspace->second;
    if (current.kind == kRemoveRangeKind) {
      set.add_range_removal(to, {.begin = current.key, .end = current.value, .sequence = sequence},
                            mark);
      continue;
    }
    // Both would have the same sequence, and no reader could tell which of them came later.
    if (removes_ranges && is_removed_later(current, to.comparator(), rest)) continue;
    set.memtable(to).insert(current.key, sequence, static_cast<EntryKind>(current.kind),
                            current.value, mark);
  }
  if (mark != nullptr) mark->publish();
}

}  // namespace nacre::store
