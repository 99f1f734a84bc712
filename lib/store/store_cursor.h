#pragma once

// What a StoreIterator walks over: the keys of all memtables and tables there were when it was
// made, merged, without what has been removed.
//
// Thread safety: one thread at a time.

#include <cstdint>
#include <optional>
#include <vector>

#include "lib/store/entry.h"
#include "lib/store/iterator_bounds.h"
#include "lib/store/key_source.h"
#include "lib/store/keyspace_core.h"
#include "nacre/result.h"
#include "nacre/store.h"

namespace nacre::store {

class StoreCursor {
 public:
  StoreCursor(ReadPin pin, const KeyspaceCore& keyspace, IteratorBounds bounds, Sequence at,
              std::uint64_t now_ms);
  /// Shows nothing but `error`.
  StoreCursor(const KeyspaceCore& keyspace, Error error);

  void seek_first();
  void seek_last();
  void seek(Bytes key);
  void seek_for_prev(Bytes key);
  void next();
  void prev();

  bool valid() const noexcept { return current_ != nullptr; }
  Status status() const { return error_.has_value() ? Status(*error_) : Status(); }
  Bytes key() const noexcept { return current_->key; }
  Bytes value() const noexcept { return value_; }

 private:
  enum class Direction : std::uint8_t { kForward, kBackward };

  /// False after an error.
  template <class Move>
  bool move_each(Move&& move);
  template <class Move>
  void set_up(Direction direction, Move&& move);
  void step(Direction direction);
  bool leave(Bytes key);
  void settle();
  bool is_at_end(Bytes key) const;
  bool is_in_bounds(Bytes key) const { return bounds_.side(key) == IteratorBounds::Side::kInside; }
  Result<std::optional<Bytes>> shown(const Entry& version);
  const Entry* foremost() const;
  bool is_before(const Entry& a, const Entry& b) const;

  ReadPin pin_;
  const KeyspaceCore& keyspace_;
  const Comparator& order_;
  const IteratorBounds bounds_;
  const Sequence at_;
  const bool has_removals_;
  const std::uint64_t now_ms_;
  std::vector<KeySource> sources_;
  Direction direction_ = Direction::kForward;
  const Entry* current_ = nullptr;  // In one of the sources.
  Bytes value_;
  std::vector<std::byte> merged_;  // What `value_` shows where there were operands.
  std::optional<Error> error_;
};

}  // namespace nacre::store
