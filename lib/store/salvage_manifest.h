#pragma once

// What is left of a damaged manifest: which keyspaces there were, and which table was whose.
//
// Thread safety: none of its own.

#include <cstdint>
#include <map>
#include <optional>
#include <set>

#include "lib/store/manifest.h"
#include "nacre/result.h"
#include "nacre/types.h"

namespace nacre::store {

class SalvagedManifest {
 public:
  /// The next record, in order; those between may be lost. One that is malformed counts as lost.
  void add(Bytes record);
  /// A part of it is lost: what the rest says may have been changed by it.
  void lose() noexcept { is_whole_ = false; }

  /// Whether all of it is there and makes sense.
  bool is_whole() const noexcept { return is_whole_ && !state_.keyspaces.empty(); }
  /// What the records add up to. Where something is lost: tables that are not there any more may be
  /// in it, and others not.
  const ManifestState& state() const noexcept { return state_; }
  /// A keyspace that was dropped.
  bool is_dropped(std::uint32_t keyspace) const { return dropped_.contains(keyspace); }
  /// A table that was merged away, or went with its keyspace.
  bool is_removed(std::uint64_t table) const { return removed_.contains(table); }

 private:
  void add_all(ManifestState all);
  void add_edit(const ManifestEdit& edit);

  bool is_whole_ = true;
  ManifestState state_;
  std::set<std::uint32_t> dropped_;
  std::set<std::uint64_t> removed_;
};

}  // namespace nacre::store
