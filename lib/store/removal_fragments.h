#pragma once

// Range removals, cut where any of them begins or ends: of two pieces either both are of the same
// keys, or they have none in common. That makes what covers a key one search, and a table's pieces
// fit into it.
//
// Thread safety: immutable once made.

#include <cstddef>
#include <span>
#include <vector>

#include "lib/store/entry.h"
#include "lib/store/table_info.h"
#include "nacre/comparator.h"
#include "nacre/types.h"

namespace nacre::store {

struct RemovalFragment {
  Bytes begin;
  Bytes end;
  std::vector<Sequence> sequences;  ///< The newest first, each once.
};

class RemovalFragments {
 public:
  RemovalFragments() = default;
  /// Lifetime: the keys of `removals` are borrowed.
  RemovalFragments(std::span<const RangeRemoval> removals, const Comparator& order);

  bool empty() const noexcept { return fragments_.empty(); }
  /// In the order of their keys.
  std::span<const RemovalFragment> all() const noexcept { return fragments_; }
  /// The sequences that remove `key`, the newest first.
  std::span<const Sequence> covering(Bytes key, const Comparator& order) const;
  /// The newest of them of `at` or before; 0 when there is none.
  Sequence newest(Bytes key, Sequence at, const Comparator& order) const;

 private:
  std::vector<RemovalFragment> fragments_;
};

/// The fragments of a keyspace's tables, with keys of their own: tables come and go.
class OwnedRemovals {
 public:
  OwnedRemovals(std::span<const RangeRemoval> removals, const Comparator& order);
  OwnedRemovals(const OwnedRemovals&) = delete;
  OwnedRemovals& operator=(const OwnedRemovals&) = delete;
  const RemovalFragments& fragments() const noexcept { return fragments_; }

 private:
  std::vector<std::vector<std::byte>> keys_;
  RemovalFragments fragments_;
};

/// Of the sequences of a fragment, those that must go on standing in a table: whatever a held
/// snapshot or a present reader is kept from seeing. At the bottom, where no table below has older
/// entries, that is nothing unless a snapshot is older than the removal. `held`: in order.
std::vector<Sequence> removals_to_keep(const RemovalFragment& fragment,
                                       const std::vector<Sequence>& held, bool is_bottom);

}  // namespace nacre::store
