#include "lib/store/memtable.h"

namespace nacre::store {

void Memtable::Cursor::seek_first() { seek_end(Toward::kFirst); }
void Memtable::Cursor::seek_last() { seek_end(Toward::kLast); }
void Memtable::Cursor::seek(Bytes key) { seek_to(Side::kAtOrAfter, key); }
void Memtable::Cursor::seek_for_prev(Bytes key) { seek_to(Side::kAtOrBefore, key); }

void Memtable::Cursor::seek_end(Toward toward) {
  for (;;) {
    const LeafRead read = memtable_->descend(toward, {});
    const unsigned count = read.leaf->count();
    const unsigned index = toward == Toward::kFirst || count == 0 ? 0 : count - 1;
    if (take(read, index)) return;
  }
}

void Memtable::Cursor::seek_to(Side side, Bytes key) {
  const bool forward = side == Side::kAtOrAfter || side == Side::kAfter;
  for (;;) {
    const LeafRead read =
        memtable_->descend(side == Side::kBefore ? Toward::kBefore : Toward::kKey, key);
    const MemtableNode::Place place = read.leaf->find(memtable_->order_, key);
    unsigned index = place.index;
    if (forward) {
      if (place.found() && side == Side::kAfter) ++index;
      const ArenaRef high = read.leaf->high();
      if (index < read.leaf->count() || high == 0) {
        if (take(read, index)) return;
      } else if (read.leaf->lock().unchanged_since(read.version)) {
        // The next leaf's first key.
        key = memtable_->order_.key(high);
        side = Side::kAtOrAfter;
      }
      continue;
    }
    if (!place.found() || side == Side::kBefore) {
      // None is lesser: that is the first leaf, whose beginning is open.
      if (index == 0)
        index = MemtableNode::kSlots;
      else
        --index;
    }
    if (take(read, index)) return;
  }
}

/// To the index-th key of a leaf, or past the end when it has none there. False when the leaf was
/// changed since.
bool Memtable::Cursor::take(const LeafRead& read, unsigned index) {
  const ArenaRef record = index < read.leaf->count() ? read.leaf->record(index) : 0;
  if (!read.leaf->lock().unchanged_since(read.version)) return false;
  record_ = record == 0 ? nullptr : &memtable_->order_.record(record);
  read_ = read;
  index_ = index;
  return true;
}

void Memtable::Cursor::next() {
  const MemtableNode& leaf = *read_.leaf;
  if (index_ + 1 < leaf.count()) {
    if (index_ + kAhead < leaf.count()) {
      leaf.prefetch_record(memtable_->order_, index_ + kAhead);
    }
    if (take(read_, index_ + 1)) return;
  } else {
    const ArenaRef high = leaf.high();
    if (leaf.lock().unchanged_since(read_.version)) {
      if (high == 0) {
        record_ = nullptr;
      } else {
        seek_to(Side::kAtOrAfter, memtable_->order_.key(high));
      }
      return;
    }
  }
  seek_to(Side::kAfter, key());
}

void Memtable::Cursor::prev() {
  const MemtableNode& leaf = *read_.leaf;
  if (index_ > 0) {
    if (index_ >= kAhead) {
      leaf.prefetch_record(memtable_->order_, index_ - kAhead);
    }
    if (take(read_, index_ - 1)) return;
  }
  seek_to(Side::kBefore, key());
}

}  // namespace nacre::store
