#include "lib/store/store_cursor.h"

#include <utility>

#include "lib/base/assert.h"
#include "lib/base/try.h"
#include "lib/store/memtable_set.h"
#include "lib/store/read_states.h"
#include "lib/store/version_read.h"

namespace nacre::store {

StoreCursor::StoreCursor(const KeyspaceCore& keyspace, Error error)
    : keyspace_(keyspace),
      order_(keyspace.comparator()),
      bounds_({}, order_),
      at_{},
      has_removals_(false),
      now_ms_(0),
      error_(std::move(error)) {}

StoreCursor::StoreCursor(ReadPin pin, const KeyspaceCore& keyspace, IteratorBounds bounds,
                         Sequence at, std::uint64_t now_ms)
    : pin_(std::move(pin)),
      keyspace_(keyspace),
      order_(keyspace.comparator()),
      bounds_(std::move(bounds)),
      at_(at),
      has_removals_(has_range_removals(ReadStates::state(pin_), keyspace)),
      now_ms_(now_ms) {
  const ReadState& state = ReadStates::state(pin_);
  const auto add = [&](const MemtableSet& set) {
    const Memtable* memtable = set.find(keyspace.index());
    if (memtable != nullptr) sources_.emplace_back(MemtableSource(*memtable, at));
  };
  add(*state.active);
  for (const auto& set : state.sealed) add(*set);
  const KeyspaceLevels* keyspace_levels = state.tables->find(keyspace.index());
  if (keyspace_levels == nullptr) return;
  const auto& levels = keyspace_levels->levels;
  for (std::size_t level = 0; level < levels.size(); ++level) {
    const std::span<const TableHandle> tables(levels[level]);
    const std::size_t at_once = level == 0 ? 1 : tables.size();
    for (std::size_t i = 0; i < tables.size(); i += at_once) {
      sources_.emplace_back(TableSource(tables.subspan(i, at_once), order_, at));
    }
  }
}

template <class Move>
bool StoreCursor::move_each(Move&& move) {
  for (KeySource& source : sources_) {
    const Status moved = std::visit(move, source);
    if (moved) continue;
    current_ = nullptr;
    error_ = moved.error();
    return false;
  }
  return true;
}

template <class Move>
void StoreCursor::set_up(Direction direction, Move&& move) {
  direction_ = direction;
  if (!pin_.holds()) return;
  error_.reset();
  if (move_each(move)) settle();
}

void StoreCursor::seek_first() {
  if (bounds_.first().has_value()) return seek(*bounds_.first());
  set_up(Direction::kForward, [](auto& source) { return source.seek_first(); });
}
void StoreCursor::seek_last() {
  if (bounds_.last().has_value()) return seek_for_prev(*bounds_.last());
  set_up(Direction::kBackward, [](auto& source) { return source.seek_last(); });
}
void StoreCursor::seek(Bytes key) {
  if (bounds_.first().has_value() && order_(key, *bounds_.first()) < 0) key = *bounds_.first();
  set_up(Direction::kForward, [key](auto& source) { return source.seek(key); });
}
void StoreCursor::seek_for_prev(Bytes key) {
  if (bounds_.last().has_value() && order_(key, *bounds_.last()) > 0) key = *bounds_.last();
  set_up(Direction::kBackward, [key](auto& source) { return source.seek_for_prev(key); });
}

void StoreCursor::next() { step(Direction::kForward); }
void StoreCursor::prev() { step(Direction::kBackward); }

void StoreCursor::step(Direction direction) {
  NACRE_ASSERT(valid());
  // What stands in a memtable or a table stays where it is, so the key outlives the move.
  const Bytes key = current_->key;
  if (direction != direction_) {
    // The other sources stand on the wrong side of it.
    direction_ = direction;
    const bool moved = move_each([&](auto& source) {
      return direction == Direction::kForward ? source.seek(key) : source.seek_for_prev(key);
    });
    if (!moved) return;
  }
  if (leave(key)) settle();
}

/// Moves every source on that stands on `key`.
bool StoreCursor::leave(Bytes key) {
  return move_each([this, key](auto& source) -> Status {
    if (!source.valid() || order_(source.entry().key, key) != 0) return {};
    return direction_ == Direction::kForward ? source.next() : source.prev();
  });
}

bool StoreCursor::is_before(const Entry& a, const Entry& b) const {
  const auto order = order_(a.key, b.key);
  // Of one key the newest counts.
  if (order == 0) return a.sequence > b.sequence;
  return direction_ == Direction::kForward ? order < 0 : order > 0;
}

const Entry* StoreCursor::foremost() const {
  const Entry* first = nullptr;
  for (const KeySource& source : sources_) {
    std::visit(
        [&](const auto& one) {
          if (one.valid() && (first == nullptr || is_before(one.entry(), *first))) {
            first = &one.entry();
          }
        },
        source);
  }
  return first;
}

/// What `version`, the newest of its key, comes to; none when the key is gone.
Result<std::optional<Bytes>> StoreCursor::shown(const Entry& version) {
  const ReadState& state = ReadStates::state(pin_);
  if (has_removals_ && version.sequence < newest_removal(state, keyspace_, version.key, at_)) {
    return std::optional<Bytes>();
  }
  if (version.kind != EntryKind::kMerge) return visible_value(version, now_ms_);
  merged_ = NACRE_TRY(merged_value(state, keyspace_, version.key, at_, now_ms_));
  return std::optional<Bytes>(merged_);
}

/// Whether no key from `key` on, in the direction it moves in, is within the bounds.
bool StoreCursor::is_at_end(Bytes key) const {
  const IteratorBounds::Side side = bounds_.side(key);
  return side == (direction_ == Direction::kForward ? IteratorBounds::Side::kBehind
                                                    : IteratorBounds::Side::kBefore);
}

/// Stands on the first key, in the direction it moves in, that shows a value.
void StoreCursor::settle() {
  for (current_ = foremost(); current_ != nullptr; current_ = foremost()) {
    if (is_at_end(current_->key)) {
      current_ = nullptr;
      return;
    }
    const Result<std::optional<Bytes>> value =
        is_in_bounds(current_->key) ? shown(*current_) : std::optional<Bytes>();
    if (!value) {
      current_ = nullptr;
      error_ = value.error();
      return;
    }
    if (value->has_value()) {
      value_ = **value;
      return;
    }
    if (!leave(current_->key)) return;
  }
}

}  // namespace nacre::store
