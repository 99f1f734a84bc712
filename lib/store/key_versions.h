#pragma once

// Of the versions of one key, those that are worth writing to a table: what somebody can see, and
// what an operand that somebody sees is merged into. Operands whose whole past is at hand, and seen
// by nobody by itself, become one value.
//
// Thread safety: one thread at a time.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <vector>

#include "lib/store/entry.h"
#include "lib/store/version_filter.h"
#include "nacre/merge_operator.h"

namespace nacre::store {

class KeyVersions {
 public:
  struct Options {
    /// The snapshots that are held; see VersionFilter.
    std::vector<Sequence> held;
    /// Milliseconds since 1970: what has expired by then is as good as removed.
    std::uint64_t now_ms = 0;
    /// There is nothing older of any key: a removal hides nothing.
    bool is_bottom = false;
    /// The keyspace's; null when it has none.
    const MergeOperator* merge = nullptr;
  };

  explicit KeyVersions(Options options);

  /// `removals`: the sequences of the range removals that cover the key, the newest first.
  /// Borrowed until `finish`.
  void begin_key(std::span<const Sequence> removals = {});
  /// The versions of the key, the newest first. What they view is borrowed until the next key.
  void add(const Entry& version);
  /// Those that stay, in the same order. Valid until the next key.
  std::span<const Entry> finish();

 private:
  /// A version that somebody sees, and behind it what that one alone is made of.
  struct Group {
    std::size_t begin;
    bool is_whole = false;  ///< Nothing older goes into it.
  };

  void pass_removals(Sequence until);
  Entry without_what_expired(const Entry& version) const;
  void fold_groups();
  std::optional<Entry> fold(std::span<const Entry> group);

  const Options options_;
  VersionFilter filter_;
  std::span<const Sequence> removals_;
  std::vector<Entry> versions_;
  std::vector<Entry> folded_;
  std::vector<Group> groups_;
  bool is_open_ = false;  // What is older goes into the last group.
  std::deque<std::vector<std::byte>> values_;
};

/// Whether a version is gone at `now_ms`.
bool has_expired(const Entry& version, std::uint64_t now_ms) noexcept;

}  // namespace nacre::store
