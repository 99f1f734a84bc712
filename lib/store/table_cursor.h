#pragma once

// Walks over all entries of a table, all versions of each key, in both directions.
//
// Entries are read some at a time under one media guard, more of them the longer it walks on.
//
// Thread safety: one thread at a time. Lifetime: the table outlives the cursor; entries are views
// valid as long as the table.

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "lib/base/assert.h"
#include "lib/store/table.h"
#include "nacre/result.h"

namespace nacre::store {

/// Every member that moves: Errors: `corruption`, `io`; the cursor then stands nowhere.
class TableCursor {
 public:
  /// Stands nowhere.
  explicit TableCursor(const Table& table);

  Status seek_first();
  Status seek_last();
  /// To the first entry that is not before (`key`, `at`): of a greater key, or of this one with a
  /// sequence of `at` at most.
  Status seek(Bytes key, Sequence at = kNewest);
  /// To the last entry whose key is not greater: the oldest one of its key.
  Status seek_for_prev(Bytes key);

  /// False before the first and behind the last entry, and after an error.
  bool valid() const noexcept { return index_ < end_; }
  /// REQUIRES: valid().
  Entry entry() const noexcept { return slots_[index_].entry(); }
  /// Whether the entry before is of the same key. REQUIRES: valid().
  bool older() const noexcept { return slots_[index_].older(); }

  /// REQUIRES, of both: valid().
  Status next() {
    NACRE_ASSERT(valid());
    if (index_ + 1 < end_) [[likely]] {
      ++index_;
      return {};
    }
    return read_on();
  }
  Status prev() {
    NACRE_ASSERT(valid());
    if (index_ > begin_) [[likely]] {
      --index_;
      return {};
    }
    return read_back();
  }

 private:
  friend class Table;
  struct Place;

  /// Where the first entry of `key` or a greater one begins, or the end of the data.
  Result<std::uint64_t> place_of(Bytes key);
  Result<std::uint64_t> find_place(Place place);
  bool search(const Place& place, std::uint64_t& found) noexcept;
  bool is_before(const Place& place, std::uint64_t offset) noexcept;

  Status read_on();
  Status read_back();
  Status fill_forward(std::uint64_t offset);
  Status fill_backward(std::uint64_t offset);
  template <class Step>
  Result<std::size_t> read_some(Step&& step);
  void stand_nowhere() noexcept;

  static constexpr std::size_t kSlots = 16;

  const Table& table_;
  std::array<EntryRead, kSlots> slots_;
  std::size_t begin_ = 0;  // Of the slots that hold entries, in order.
  std::size_t end_ = 0;
  std::size_t index_ = 0;
  std::size_t ahead_ = 1;  // So many entries are read next time.
  EntryRead probe_;        // The entry that a search looks at.
  ReadProblem problem_;
  std::vector<std::byte> key_copy_;  // For comparators of the caller's, which must not fault.
};

}  // namespace nacre::store
