#pragma once

// Which versions of a key somebody can still see: the newest, and the newest of each snapshot that
// is held. The others may go when a table is written.
//
// Thread safety: one thread at a time.

#include <algorithm>
#include <utility>
#include <vector>

#include "lib/store/entry.h"

namespace nacre::store {

class VersionFilter {
 public:
  /// `held`: the sequences of the snapshots, in order. None was taken, and none will be, below a
  /// version that the filter is asked about, but for these.
  explicit VersionFilter(std::vector<Sequence> held) : held_(std::move(held)) {}

  /// Asked next about the newest version of another key.
  void begin_key() noexcept { is_first_ = true; }

  /// Asked about the versions of a key, the newest first. Of two with one sequence, which one batch
  /// has written, the first one counts.
  bool keeps(Sequence sequence) noexcept {
    const bool seen = is_first_ || is_newest_of_a_snapshot(sequence);
    is_first_ = false;
    newer_ = sequence;
    return seen;
  }

 private:
  /// Whether a snapshot was taken after `sequence` and before the version that came next.
  bool is_newest_of_a_snapshot(Sequence sequence) const {
    const auto after = std::ranges::lower_bound(held_, sequence);
    return after != held_.end() && *after < newer_;
  }

  std::vector<Sequence> held_;
  bool is_first_ = true;
  Sequence newer_;
};

}  // namespace nacre::store
