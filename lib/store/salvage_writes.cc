#include "lib/store/salvage_writes.h"

#include <algorithm>

#include "lib/base/try.h"

namespace nacre::store {
namespace {

bool is_possible(const WriteView& write) {
  if (write.key.size() > kMaxKeyBytes) return false;
  if (write.kind == kRemoveRangeKind) return write.value.size() <= kMaxKeyBytes;
  return write.kind >= static_cast<std::uint8_t>(EntryKind::kPut) &&
         write.kind <= static_cast<std::uint8_t>(EntryKind::kMerge);
}

bool is_sound(Bytes record) {
  WriteReader writes(record);
  while (const auto write = writes.next()) {
    if (!is_possible(*write)) return false;
  }
  return !writes.is_malformed();
}

}  // namespace

bool SalvagedWrites::add(Bytes record, Sequence sequence) {
  if (!is_sound(record)) return false;
  const bool removes_ranges = has_range_removal(record);
  WriteReader writes(record);
  while (const auto write = writes.next()) {
    const Comparator* order = order_of_(write->keyspace);
    if (order == nullptr) continue;
    OfKeyspace& of = of_keyspaces_[write->keyspace];
    of.order = order;
    if (write->kind == kRemoveRangeKind) {
      of.removals.push_back({.begin = write->key, .end = write->value, .sequence = sequence});
    } else if (!removes_ranges || !is_removed_later(*write, *order, writes)) {
      of.entries.push_back({.key = write->key,
                            .sequence = sequence,
                            .kind = static_cast<EntryKind>(write->kind),
                            .value = write->value});
    }
  }
  return true;
}

std::vector<std::uint32_t> SalvagedWrites::keyspaces() const {
  std::vector<std::uint32_t> all;
  for (const auto& [id, of] : of_keyspaces_) all.push_back(id);
  return all;
}

Result<bool> SalvagedWrites::write(std::uint32_t keyspace, TableBuilder& to) {
  OfKeyspace& of = of_keyspaces_.at(keyspace);
  const Comparator& order = *of.order;
  std::vector<const Entry*> sorted;
  for (const Entry& entry : of.entries) sorted.push_back(&entry);
  std::ranges::sort(sorted, [&](const Entry* a, const Entry* b) {
    if (const auto by_key = order(a->key, b->key); by_key != 0) return by_key < 0;
    // Of one batch the later write stands first.
    return a->sequence != b->sequence ? a->sequence > b->sequence : a > b;
  });
  bool any = !of.entries.empty();
  const Entry* last = nullptr;
  for (const Entry* entry : sorted) {
    const bool is_hidden = last != nullptr && last->sequence == entry->sequence &&
                           last->kind != EntryKind::kMerge && order(last->key, entry->key) == 0;
    if (is_hidden) continue;
    NACRE_TRY(to.add(*entry));
    last = entry;
  }
  for (const RangeRemoval& removal : of.removals) {
    // Malformed by its meaning: nothing lies in such a range.
    if (order(removal.begin, removal.end) >= 0) continue;
    NACRE_TRY(to.add_range_removal(removal.begin, removal.end, removal.sequence));
    any = true;
  }
  return any;
}

}  // namespace nacre::store
