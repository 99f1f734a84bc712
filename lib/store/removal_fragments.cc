#include "lib/store/removal_fragments.h"

#include <algorithm>
#include <functional>

#include "lib/store/version_filter.h"

namespace nacre::store {

RemovalFragments::RemovalFragments(std::span<const RangeRemoval> removals,
                                   const Comparator& order) {
  const auto before = [&](Bytes a, Bytes b) { return order(a, b) < 0; };
  std::vector<Bytes> cuts;
  for (const RangeRemoval& removal : removals) {
    cuts.push_back(removal.begin);
    cuts.push_back(removal.end);
  }
  std::ranges::sort(cuts, before);
  const auto same = [&](Bytes a, Bytes b) { return order(a, b) == 0; };
  cuts.erase(std::ranges::unique(cuts, same).begin(), cuts.end());
  for (std::size_t i = 1; i < cuts.size(); ++i) {
    fragments_.push_back({.begin = cuts[i - 1], .end = cuts[i], .sequences = {}});
  }
  for (const RangeRemoval& removal : removals) {
    const auto first = std::ranges::lower_bound(cuts, removal.begin, before) - cuts.begin();
    const auto end = std::ranges::lower_bound(cuts, removal.end, before) - cuts.begin();
    for (auto i = first; i < end; ++i) {
      fragments_[static_cast<std::size_t>(i)].sequences.push_back(removal.sequence);
    }
  }
  for (RemovalFragment& fragment : fragments_) {
    std::ranges::sort(fragment.sequences, std::greater());
    fragment.sequences.erase(std::ranges::unique(fragment.sequences).begin(),
                             fragment.sequences.end());
  }
  // What lies between two removals.
  std::erase_if(fragments_, [](const RemovalFragment& one) { return one.sequences.empty(); });
}

std::span<const Sequence> RemovalFragments::covering(Bytes key, const Comparator& order) const {
  const auto behind = std::ranges::partition_point(
      fragments_, [&](const RemovalFragment& one) { return order(one.begin, key) <= 0; });
  if (behind == fragments_.begin()) return {};
  const RemovalFragment& around = *(behind - 1);
  if (order(key, around.end) >= 0) return {};
  return around.sequences;
}

Sequence RemovalFragments::newest(Bytes key, Sequence at, const Comparator& order) const {
  for (const Sequence sequence : covering(key, order)) {
    if (sequence <= at) return sequence;
  }
  return {};
}

OwnedRemovals::OwnedRemovals(std::span<const RangeRemoval> removals, const Comparator& order) {
  std::vector<RangeRemoval> copies;
  const auto own = [&](Bytes key) { return Bytes(keys_.emplace_back(key.begin(), key.end())); };
  keys_.reserve(removals.size() * 2);
  for (const RangeRemoval& removal : removals) {
    const Bytes begin = own(removal.begin);
    copies.push_back({.begin = begin, .end = own(removal.end), .sequence = removal.sequence});
  }
  fragments_ = RemovalFragments(copies, order);
}

std::vector<Sequence> removals_to_keep(const RemovalFragment& fragment,
                                       const std::vector<Sequence>& held, bool is_bottom) {
  VersionFilter filter(held);
  filter.begin_key();
  std::vector<Sequence> kept;
  for (const Sequence sequence : fragment.sequences) {
    if (!filter.keeps(sequence)) continue;
    // Without a snapshot before it, whatever it removes goes as the tables are merged.
    const bool hides_nothing = is_bottom && (held.empty() || held.front() >= sequence);
    if (!hides_nothing) kept.push_back(sequence);
  }
  return kept;
}

}  // namespace nacre::store
