#include "lib/store/version_read.h"

#include <algorithm>
#include <utility>

#include "lib/base/assert.h"
#include "lib/base/endian.h"
#include "lib/base/try.h"
#include "lib/store/key_versions.h"
#include "lib/store/memtable_set.h"
#include "lib/store/table_cursor.h"
#include "lib/store/table_set.h"

namespace nacre::store {
namespace {

/// What an operand is applied to: the operands before it, and the value before those.
struct Past {
  std::vector<Bytes> operands;  // The newest first.
  std::optional<Bytes> existing;
  bool is_whole = false;

  void add(const Entry& version, Sequence removed, std::uint64_t now_ms) {
    is_whole = version.sequence < removed || version.kind != EntryKind::kMerge;
    if (version.sequence < removed) return;
    if (version.kind == EntryKind::kMerge) {
      operands.push_back(version.value);
    } else {
      existing = visible_value(version, now_ms);
    }
  }
};

template <class Add>
void visit_memtable(const Memtable& memtable, Bytes key, Sequence at, Add&& add) {
  const Version* version = memtable.find(key, at);
  while (version != nullptr && add({.key = key,
                                    .sequence = version->sequence(),
                                    .kind = version->kind(),
                                    .value = version->value()})) {
    version = memtable.older(*version);
  }
}

template <class Add>
Status visit_table(const Table& table, const Comparator& order, Bytes key, Sequence at, Add&& add) {
  TableCursor cursor(table);
  NACRE_TRY(cursor.seek(key, at));
  while (cursor.valid() && order(cursor.entry().key, key) == 0 && add(cursor.entry())) {
    NACRE_TRY(cursor.next());
  }
  return {};
}

/// Calls `add` with the versions of `key` of `at` or before, from the newest on, until it returns
/// false.
template <class Add>
Status visit_versions(const ReadState& state, const KeyspaceCore& keyspace, Bytes key, Sequence at,
                      Add&& add) {
  bool goes_on = true;
  const auto visit = [&](const Entry& version) { return goes_on = add(version); };
  const auto visit_set = [&](const MemtableSet& set) {
    const Memtable* memtable = set.find(keyspace.index());
    if (memtable != nullptr && goes_on) visit_memtable(*memtable, key, at, visit);
  };
  visit_set(*state.active);
  for (const auto& set : state.sealed) visit_set(*set);
  const KeyspaceLevels* levels = state.tables->find(keyspace.index());
  if (levels == nullptr) return {};
  const Comparator& order = keyspace.comparator();
  for (std::size_t level = 0; level < levels->levels.size(); ++level) {
    const std::vector<TableHandle>& tables = levels->levels[level];
    if (tables.empty()) continue;
    const std::size_t first = level == 0 ? 0 : table_around(tables, key, order);
    const std::size_t end = level == 0 ? tables.size() : first + 1;
    for (std::size_t i = first; i < end && goes_on; ++i) {
      NACRE_TRY(visit_table(*tables[i], order, key, at, visit));
    }
  }
  return {};
}

}  // namespace

std::optional<Bytes> visible_value(const Entry& version, std::uint64_t now_ms) noexcept {
  switch (version.kind) {
    case EntryKind::kPut:
      return version.value;
    case EntryKind::kPutUntil:
      if (has_expired(version, now_ms)) return {};
      return version.value.subspan(sizeof(le64));
    case EntryKind::kRemove:
    case EntryKind::kMerge:
      break;
  }
  return {};
}

bool has_range_removals(const ReadState& state, const KeyspaceCore& keyspace) noexcept {
  if (state.active->has_range_removals()) return true;
  for (const auto& set : state.sealed) {
    if (set->has_range_removals()) return true;
  }
  const KeyspaceLevels* levels = state.tables->find(keyspace.index());
  return levels != nullptr && levels->removals() != nullptr;
}

Sequence newest_removal(const ReadState& state, const KeyspaceCore& keyspace, Bytes key,
                        Sequence at) {
  Sequence newest = state.active->newest_removal(keyspace, key, at);
  for (const auto& set : state.sealed) {
    newest = std::max(newest, set->newest_removal(keyspace, key, at));
  }
  const KeyspaceLevels* levels = state.tables->find(keyspace.index());
  if (levels == nullptr || levels->removals() == nullptr) return newest;
  return std::max(newest, levels->removals()->newest(key, at, keyspace.comparator()));
}

Result<std::vector<std::byte>> merged_value(const ReadState& state, const KeyspaceCore& keyspace,
                                            Bytes key, Sequence at, std::uint64_t now_ms) {
  NACRE_ASSERT(keyspace.merge().has_value());
  // Of the operand's own batch, too: it is whole from the moment at which any of it is seen.
  const Sequence removed =
      has_range_removals(state, keyspace) ? newest_removal(state, keyspace, key, at) : Sequence{};
  Past past;
  NACRE_TRY(visit_versions(state, keyspace, key, at, [&](const Entry& version) {
    past.add(version, removed, now_ms);
    return !past.is_whole;
  }));
  std::ranges::reverse(past.operands);
  return (*keyspace.merge())(key, past.existing, past.operands);
}

}  // namespace nacre::store
