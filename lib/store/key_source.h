#pragma once

// One of the places in which an iterator's keys lie, seen key by key: each key that has a version
// the iterator may see, with the newest such version.
//
// Thread safety: one thread at a time. Lifetime: within what it looks into.

#include <cstddef>
#include <optional>
#include <span>
#include <variant>

#include "lib/store/entry.h"
#include "lib/store/memtable.h"
#include "lib/store/table_cursor.h"
#include "lib/store/table_set.h"
#include "nacre/result.h"

namespace nacre::store {

/// Every member that moves leaves it nowhere where there is no such key.
class MemtableSource {
 public:
  MemtableSource(const Memtable& memtable, Sequence at) : cursor_(memtable), at_(at) {}

  bool valid() const noexcept { return entry_.has_value(); }
  const Entry& entry() const noexcept { return *entry_; }

  Status seek_first() { return cursor_.seek_first(), settle(&Memtable::Cursor::next); }
  Status seek_last() { return cursor_.seek_last(), settle(&Memtable::Cursor::prev); }
  Status seek(Bytes key) { return cursor_.seek(key), settle(&Memtable::Cursor::next); }
  Status seek_for_prev(Bytes key) {
    return cursor_.seek_for_prev(key), settle(&Memtable::Cursor::prev);
  }
  Status next() { return cursor_.next(), settle(&Memtable::Cursor::next); }
  Status prev() { return cursor_.prev(), settle(&Memtable::Cursor::prev); }

 private:
  Status settle(void (Memtable::Cursor::*step)());

  Memtable::Cursor cursor_;
  Sequence at_;
  std::optional<Entry> entry_;
};

/// Tables without overlaps, in the order of their keys: those of a level, or one of level 0.
/// Errors, of all that moves: as TableCursor.
class TableSource {
 public:
  TableSource(std::span<const TableHandle> tables, const Comparator& order, Sequence at)
      : tables_(tables), order_(&order), at_(at) {}

  bool valid() const noexcept { return entry_.has_value(); }
  const Entry& entry() const noexcept { return *entry_; }

  Status seek_first();
  Status seek_last();
  Status seek(Bytes key);
  Status seek_for_prev(Bytes key);
  Status next();
  Status prev();

 private:
  Status open(std::size_t table);
  Status settle_forward();
  Status settle_backward();

  std::span<const TableHandle> tables_;
  const Comparator* order_;
  Sequence at_;
  std::size_t table_ = 0;
  std::optional<TableCursor> cursor_;
  std::optional<Entry> entry_;
};

using KeySource = std::variant<MemtableSource, TableSource>;

}  // namespace nacre::store
