#include "lib/store/key_source.h"

#include "lib/base/try.h"

namespace nacre::store {

Status MemtableSource::settle(void (Memtable::Cursor::*step)()) {
  entry_.reset();
  for (; cursor_.valid(); (cursor_.*step)()) {
    const Version* version = cursor_.version(at_);
    if (version == nullptr) continue;
    entry_ = {.key = cursor_.key(),
              .sequence = version->sequence(),
              .kind = version->kind(),
              .value = version->value()};
    break;
  }
  return {};
}

Status TableSource::open(std::size_t table) {
  table_ = table;
  cursor_.reset();
  if (table < tables_.size()) cursor_.emplace(*tables_[table]);
  return {};
}

Status TableSource::seek_first() {
  NACRE_TRY(open(0));
  if (cursor_.has_value()) NACRE_TRY(cursor_->seek_first());
  return settle_forward();
}

Status TableSource::seek_last() {
  NACRE_TRY(open(tables_.size() - 1));
  if (cursor_.has_value()) NACRE_TRY(cursor_->seek_last());
  return settle_backward();
}

Status TableSource::seek(Bytes key) {
  NACRE_TRY(open(table_around(tables_, key, *order_)));
  if (cursor_.has_value()) NACRE_TRY(cursor_->seek(key));
  return settle_forward();
}

Status TableSource::seek_for_prev(Bytes key) {
  NACRE_TRY(open(table_around(tables_, key, *order_)));
  NACRE_TRY(cursor_->seek_for_prev(key));
  return settle_backward();
}

Status TableSource::next() {
  // What is left of this key is older, or was too new.
  do {
    NACRE_TRY(cursor_->next());
  } while (cursor_->valid() && cursor_->older());
  return settle_forward();
}

Status TableSource::prev() {
  // Newer versions of this key may lie before.
  while (cursor_->older()) NACRE_TRY(cursor_->prev());
  NACRE_TRY(cursor_->prev());
  return settle_backward();
}

/// The cursor stands on the newest version of a key, or nowhere.
Status TableSource::settle_forward() {
  entry_.reset();
  while (cursor_.has_value()) {
    if (!cursor_->valid()) {
      NACRE_TRY(open(table_ + 1));
      if (cursor_.has_value()) NACRE_TRY(cursor_->seek_first());
      continue;
    }
    if (cursor_->entry().sequence <= at_) {
      entry_ = cursor_->entry();
      return {};
    }
    // An older version of the same key, or the newest of the next one: what comes first.
    NACRE_TRY(cursor_->next());
  }
  return {};
}

/// The cursor stands on the oldest version of a key, or nowhere.
Status TableSource::settle_backward() {
  entry_.reset();
  while (cursor_.has_value()) {
    if (!cursor_->valid()) {
      // Behind the last table there is none, and before the first one neither.
      NACRE_TRY(open(table_ == 0 ? tables_.size() : table_ - 1));
      if (cursor_.has_value()) NACRE_TRY(cursor_->seek_last());
      continue;
    }
    while (cursor_->entry().sequence <= at_) {
      entry_ = cursor_->entry();
      if (!cursor_->older()) return {};
      NACRE_TRY(cursor_->prev());
    }
    // The newest that may be seen has been met, or this key has none.
    while (cursor_->older()) NACRE_TRY(cursor_->prev());
    if (entry_.has_value()) return {};
    NACRE_TRY(cursor_->prev());
  }
  return {};
}

}  // namespace nacre::store
