#include "lib/store/table_cursor.h"

#include <algorithm>
#include <cstring>

#include "lib/base/try.h"

namespace nacre::store {

/// Between the entries that are before it and those that are not.
struct TableCursor::Place {
  Bytes key;
  Sequence at;
  bool behind_key = false;  // Behind all entries of the key.

  bool is_behind(std::strong_ordering entry_to_key, Sequence sequence) const noexcept {
    if (entry_to_key != 0) return entry_to_key < 0;
    return behind_key || sequence > at;
  }
};

TableCursor::TableCursor(const Table& table) : table_(table) {
  if (!table.comparator_.keeps_prefixes()) key_copy_.resize(kMaxKeyBytes);
}

void TableCursor::stand_nowhere() noexcept { begin_ = end_ = index_ = 0; }

Status TableCursor::seek_first() {
  ahead_ = 1;
  return fill_forward(kTableDataOffset);
}

Status TableCursor::seek_last() {
  ahead_ = 1;
  return fill_backward(table_.header_.last_entry);
}

Status TableCursor::seek(Bytes key, Sequence at) {
  ahead_ = 1;
  return fill_forward(NACRE_TRY(find_place({.key = key, .at = at})));
}

Status TableCursor::seek_for_prev(Bytes key) {
  ahead_ = 1;
  const std::uint64_t behind = NACRE_TRY(find_place({.key = key, .at = {}, .behind_key = true}));
  if (behind == table_.data_.end()) return fill_backward(table_.header_.last_entry);
  NACRE_TRY(fill_forward(behind));
  return fill_backward(slots_[index_].previous());
}

Result<std::uint64_t> TableCursor::place_of(Bytes key) {
  return find_place({.key = key, .at = kNewest});
}

Result<std::uint64_t> TableCursor::find_place(Place place) {
  stand_nowhere();
  if (table_.header_.entries == 0) return table_.data_.end();
  std::uint64_t found = 0;
  bool good = false;
  NACRE_TRY(table_.look([&]() noexcept { good = search(place, found); }));
  if (!good) return table_.damaged(problem_);
  return found;
}

bool TableCursor::search(const Place& place, std::uint64_t& found) noexcept {
  problem_ = {};
  const std::size_t shared = table_.prefix_.size();
  const Bytes beginning = place.key.first(std::min(place.key.size(), shared));
  if (shared > 0) {
    const std::strong_ordering order = table_.comparator_(beginning, table_.prefix_);
    if (order != 0) {
      found = order < 0 ? kTableDataOffset : table_.data_.end();
      return true;
    }
  }
  const std::uint64_t points =
      table_.sparse_index_.points_before(table_.comparator_.head(place.key, shared),
                                         [&](std::uint64_t at) { return is_before(place, at); });
  found = points == 0 ? kTableDataOffset : table_.sparse_index_.offset(points - 1);
  while (found != table_.data_.end() && is_before(place, found)) found = probe_.next();
  return problem_.fault == ReadFault::kNone;
}

bool TableCursor::is_before(const Place& place, std::uint64_t offset) noexcept {
  // Behind damage everything is "not before", so that the search ends.
  if (problem_.fault != ReadFault::kNone) return false;
  if (!table_.data_.read(offset, probe_, problem_)) return false;
  Bytes key = probe_.key();
  if (!key_copy_.empty()) {
    // A function of the caller's could not be abandoned where it stands: it sees a copy.
    const std::size_t bytes = std::min(key.size(), key_copy_.size());
    if (bytes > 0) std::memcpy(key_copy_.data(), key.data(), bytes);
    key = Bytes(key_copy_).first(bytes);
  }
  return place.is_behind(table_.comparator_(key, place.key), Sequence{probe_.sequence});
}

Status TableCursor::read_on() {
  const std::uint64_t next = slots_[index_].next();
  return fill_forward(next);
}

Status TableCursor::read_back() {
  const std::uint64_t previous = slots_[index_].previous();
  return fill_backward(previous);
}

/// Runs `step(i)` for i = 0, 1, ... under a guard, until it is false or enough was read. Returns
/// how often it was true. What stands before damage is good, and is shown first.
template <class Step>
Result<std::size_t> TableCursor::read_some(Step&& step) {
  std::size_t done = 0;
  problem_ = {};
  const auto run = [&](std::size_t limit) {
    return table_.look([&]() noexcept {
      for (done = 0; done < limit && step(done); ++done) {
      }
    });
  };
  if (!run(ahead_)) NACRE_TRY(run(1));
  if (done == 0 && problem_.fault != ReadFault::kNone) return table_.damaged(problem_);
  ahead_ = std::min(ahead_ * 2, kSlots);
  return done;
}

Status TableCursor::fill_forward(std::uint64_t offset) {
  stand_nowhere();
  const std::uint64_t data_end = table_.data_.end();
  std::size_t const done = NACRE_TRY(read_some([&](std::size_t i) noexcept {
    const std::uint64_t at = i == 0 ? offset : slots_[i - 1].next();
    return at != data_end && table_.data_.read(at, slots_[i], problem_);
  }));
  end_ = done;
  return {};
}

Status TableCursor::fill_backward(std::uint64_t offset) {
  stand_nowhere();
  const std::size_t done = NACRE_TRY(read_some([&](std::size_t i) noexcept {
    const std::uint64_t at = i == 0 ? offset : slots_[kSlots - i].previous();
    return at != 0 && table_.data_.read(at, slots_[kSlots - 1 - i], problem_);
  }));
  if (done == 0) return {};
  begin_ = kSlots - done;
  end_ = kSlots;
  index_ = kSlots - 1;
  return {};
}

}  // namespace nacre::store
