// Reads: the memtables from the newest on, then the tables.

#include <algorithm>
#include <utility>

#include "lib/base/try.h"
#include "lib/store/multi_get.h"
#include "lib/store/state_reader.h"
#include "lib/store/store_core.h"
#include "lib/store/store_cursor.h"
#include "lib/store/version_read.h"

namespace nacre::store {
namespace {

Result<std::optional<Entry>> find_in_tables(const KeyspaceLevels& keyspace, const Comparator& order,
                                            Bytes key, Sequence at) {
  const std::uint64_t hash = table_hash(key);
  for (std::size_t level = 0; level < keyspace.levels.size(); ++level) {
    if (level > 0) {
      const std::vector<TableHandle>& tables = keyspace.levels[level];
      const std::size_t table = table_around(tables, key, order);
      if (table == tables.size()) continue;
      if (auto found = NACRE_TRY(tables[table]->find(key, hash, at)); found) return found;
      continue;
    }
    for (const TableHandle& table : keyspace.levels[0]) {
      if (auto found = NACRE_TRY(table->find(key, hash, at)); found) return found;
    }
  }
  return std::optional<Entry>();
}

inline const Version* find_in_memtables(const ReadState& state, const KeyspaceCore& keyspace,
                                        Bytes key, Sequence at) {
  const auto find = [&](const MemtableSet& set) -> const Version* {
    const Memtable* memtable = set.find(keyspace.index());
    return memtable == nullptr ? nullptr : memtable->find(key, at);
  };
  const Version* version = find(*state.active);
  for (auto set = state.sealed.begin(); version == nullptr && set != state.sealed.end(); ++set) {
    version = find(**set);
  }
  return version;
}

/// How many tables a get of `key` looks into. Looks it up once more, for one get of many.
[[gnu::cold, gnu::noinline]]
std::uint64_t tables_looked_into(const ReadState& state, const KeyspaceCore& keyspace, Bytes key,
                                 Sequence at) {
  if (find_in_memtables(state, keyspace, key, at) != nullptr) return 0;
  const KeyspaceLevels* levels = state.tables->find(keyspace.index());
  if (levels == nullptr) return 0;
  const std::uint64_t hash = table_hash(key);
  std::uint64_t looked = 0;
  for (std::size_t level = 0; level < levels->levels.size(); ++level) {
    const std::vector<TableHandle>& tables = levels->levels[level];
    const std::size_t first = level == 0 ? 0 : table_around(tables, key, keyspace.comparator());
    const std::size_t end = level == 0 ? tables.size() : std::min(first + 1, tables.size());
    for (std::size_t i = first; i < end; ++i) {
      looked += 1;
      const auto found = tables[i]->find(key, hash, at);
      if (!found || found->has_value()) return looked;
    }
  }
  return looked;
}

/// The newest version of `key` of `at` or before, whatever range removals say.
Result<std::optional<Entry>> find_version(const ReadState& state, const KeyspaceCore& keyspace,
                                          Bytes key, Sequence at) {
  if (const Version* version = find_in_memtables(state, keyspace, key, at); version != nullptr) {
    return std::optional<Entry>({.key = key,
                                 .sequence = version->sequence(),
                                 .kind = version->kind(),
                                 .value = version->value()});
  }
  const KeyspaceLevels* levels = state.tables->find(keyspace.index());
  if (levels == nullptr) return std::optional<Entry>();
  return find_in_tables(*levels, keyspace.comparator(), key, at);
}

}  // namespace

Result<std::optional<PinnedValue>> StateReader::get(ReadPin pin, const KeyspaceCore& keyspace,
                                                    Bytes key, Sequence at) const {
  const ReadState& state = ReadStates::state(pin);
  // Looked up first: a removal that comes now may remove a version that is not there yet, and is
  // met below.
  Sequence removed{};
  if (has_range_removals(state, keyspace)) [[unlikely]] {
    removed = newest_removal(state, keyspace, key, at);
  }
  const auto found = NACRE_TRY(find_version(state, keyspace, key, at));
  if (!found.has_value() || found->sequence < removed) return std::optional<PinnedValue>();
  if (found->kind == EntryKind::kPut) [[likely]] {
    return std::optional<PinnedValue>(std::in_place, found->value, std::move(pin));
  }
  return show(pin, keyspace, *found);
}

Result<std::optional<PinnedValue>> StateReader::show(const ReadPin& pin,
                                                     const KeyspaceCore& keyspace,
                                                     const Entry& version) const {
  std::optional<PinnedValue> shown;
  if (version.kind == EntryKind::kMerge) {
    const auto merged = NACRE_TRY(
        merged_value(ReadStates::state(pin), keyspace, version.key, version.sequence, now_ms()));
    shown = PinnedValue::copy_of(merged);
    return shown;
  }
  const std::uint64_t now = version.kind == EntryKind::kPutUntil ? now_ms() : 0;
  if (const auto bytes = visible_value(version, now); bytes.has_value()) {
    shown.emplace(*bytes, ReadStates::share(pin));
  }
  return shown;
}

Result<std::vector<std::optional<PinnedValue>>> StateReader::multi_get(const ReadPin& pin,
                                                                       const KeyspaceCore& keyspace,
                                                                       std::span<const Bytes> keys,
                                                                       Sequence at) const {
  const ReadState& state = ReadStates::state(pin);
  const bool any_removals = has_range_removals(state, keyspace);
  std::vector<std::optional<PinnedValue>> values(keys.size());
  MultiGet lookup(state, keyspace, at);
  for (std::size_t begin = 0; begin < keys.size(); begin += MultiGet::kMostKeys) {
    const std::size_t count = std::min(keys.size() - begin, MultiGet::kMostKeys);
    const auto found = NACRE_TRY(lookup.find(keys.subspan(begin, count)));
    for (std::size_t i = 0; i < count; ++i) {
      if (!found[i].has_value()) continue;
      const Bytes key = keys[begin + i];
      if (any_removals && found[i]->sequence < newest_removal(state, keyspace, key, at)) {
        continue;
      }
      values[begin + i] = NACRE_TRY(show(pin, keyspace, *found[i]));
    }
  }
  return values;
}

Result<std::optional<PinnedValue>> StoreCore::get(const KeyspaceCore& keyspace, Bytes key,
                                                  Sequence at) const {
  if (states_ == nullptr) return store_closed();
  if (keyspace.is_dropped()) return keyspace_dropped(keyspace.name());
  ReadPin pin = states_->pin();
  if (ReadSamples::is_due()) [[unlikely]] {
    read_samples_.add(tables_looked_into(ReadStates::state(pin), keyspace, key, at));
  }
  return reader().get(std::move(pin), keyspace, key, at);
}

StateReader StoreCore::reader() const { return StateReader(log_.set().environment().clock()); }

Result<Sequence> StoreCore::newest_change(const KeyspaceCore& keyspace, Bytes key) const {
  const ReadPin pin = states_->pin();
  const ReadState& state = ReadStates::state(pin);
  const auto found = NACRE_TRY(find_version(state, keyspace, key, kNewest));
  const Sequence written = found.has_value() ? found->sequence : Sequence{};
  return std::max(written, newest_removal(state, keyspace, key, kNewest));
}

Sequence StoreCore::newest_snapshot() const { return log_.snapshot(); }

std::uint64_t StoreCore::now_ms() const { return reader().now_ms(); }

std::uint64_t StoreCore::monotonic_ns() const {
  return log_.set().environment().clock().monotonic_ns();
}

std::pair<ReadPin, Sequence> StoreCore::pin_moment(std::optional<Sequence> at) const {
  while (true) {
    // Pinned first: what a flush drops meanwhile, since nobody can see it, is in what is pinned.
    ReadPin pin = states_->pin();
    const Sequence moment = at.has_value() ? *at : log_.snapshot();
    // All of it must be there, too: a write up to `moment` may have gone into the next set, and a
    // load into tables.
    const ReadState& state = ReadStates::state(pin);
    const std::uint64_t loads = loads_.load(std::memory_order_seq_cst);
    if (at.has_value() || (state.active->takes(moment.lsn()) && state.loads >= loads)) {
      return {std::move(pin), moment};
    }
  }
}

Result<std::vector<std::optional<PinnedValue>>> StoreCore::multi_get(
    const KeyspaceCore& keyspace, std::span<const Bytes> keys, std::optional<Sequence> at) const {
  if (states_ == nullptr) return store_closed();
  if (keyspace.is_dropped()) return keyspace_dropped(keyspace.name());
  const auto [pin, moment] = pin_moment(at);
  return reader().multi_get(pin, keyspace, keys, moment);
}

std::unique_ptr<StoreCursor> StoreCore::iterate(const KeyspaceCore& keyspace,
                                                std::optional<Sequence> at,
                                                const ReadOptions& options) const {
  if (states_ == nullptr) return std::make_unique<StoreCursor>(keyspace, store_closed());
  auto [pin, moment] = pin_moment(at);
  // Once pinned: what a drop takes out of the newest state, it has marked as dropped before.
  if (keyspace.is_dropped()) {
    return std::make_unique<StoreCursor>(keyspace, keyspace_dropped(keyspace.name()));
  }
  return std::make_unique<StoreCursor>(
      std::move(pin), keyspace, IteratorBounds(options, keyspace.comparator()), moment, now_ms());
}

}  // namespace nacre::store
