#include "lib/store/memtable.h"

#include "lib/base/assert.h"

namespace nacre::store {

/// What an insertion brings, in the arena from the moment at which it is needed: an attempt that is
/// made again finds it there.
class Memtable::Record {
 public:
  Record(Memtable& memtable, Bytes key, Sequence sequence, EntryKind kind, Bytes value,
         BatchMark* mark) noexcept
      : memtable_(memtable),
        key_(key),
        sequence_(sequence),
        kind_(kind),
        value_(value),
        mark_(mark) {}

  Bytes key() const noexcept { return key_; }

  /// A record of the key with this as its first version.
  ArenaRef as_record() {
    if (record_ == 0) {
      const std::size_t bytes = KeyRecord::bytes(key_.size());
      const Arena::Piece piece = memtable_.allocate(bytes + VersionChain::bytes(mark_));
      record_ = piece.ref;
      make_version(
          {static_cast<ArenaRef>(piece.ref + bytes / Arena::kUnitBytes), piece.data + bytes});
      KeyRecord::create(piece.data, key_)->versions().begin(version_ref_);
    }
    return record_;
  }

  /// Puts it among the versions of a key that is there already.
  void push_to(VersionChain& versions) {
    if (version_ == nullptr) make_version(memtable_.allocate(VersionChain::bytes(mark_)));
    versions.push(memtable_.order_.arena, *version_, version_ref_);
  }

 private:
  void make_version(Arena::Piece place) noexcept {
    version_ref_ = place.ref;
    version_ = VersionChain::create(place.data, sequence_, kind_, value_, mark_);
  }

  Memtable& memtable_;
  const Bytes key_;
  const Sequence sequence_;
  const EntryKind kind_;
  const Bytes value_;
  BatchMark* const mark_;
  ArenaRef record_ = 0;
  ArenaRef version_ref_ = 0;
  Version* version_ = nullptr;
};

Memtable::Memtable(Comparator comparator, Arena& arena)
    : comparator_(std::move(comparator)), order_{comparator_, arena} {
  const Arena::Piece leaf = allocate(sizeof(MemtableNode), alignof(MemtableNode));
  MemtableNode::create_leaf(leaf.data);
  root_.store(leaf.ref, std::memory_order_release);
}

void Memtable::insert(Bytes key, Sequence sequence, EntryKind kind, Bytes value, BatchMark* mark) {
  NACRE_ASSERT(key.size() <= kMaxKeyBytes && value.size() <= Version::kMaxBytes);
  Record record(*this, key, sequence, kind, value, mark);
  while (!try_insert(record)) {
  }
  counts_[current_stripe()].entries.fetch_add(1, std::memory_order_relaxed);
}

bool Memtable::try_insert(Record& record) {
  InsertPath path;
  if (!descend_to_insert(record.key(), path)) return false;
  MemtableNode& leaf = *path.node;
  const MemtableNode::Place place = leaf.find(order_, record.key());
  if (place.found()) {
    record.push_to(order_.arena.at<KeyRecord>(place.record)->versions());
    return true;
  }
  const unsigned count = leaf.count();
  if (!leaf.lock().unchanged_since(path.version)) return false;
  const ArenaRef ref = record.as_record();
  if (count == MemtableNode::kSlots) return split_leaf(path, place.index, ref);
  if (!leaf.lock().try_lock(path.version)) return false;
  leaf.insert(order_, place.index, ref);
  leaf.lock().unlock();
  return true;
}

MemtableNode* Memtable::begin_at_root(std::uint64_t& version) const noexcept {
  for (;;) {
    const ArenaRef ref = root_.load(std::memory_order_acquire);
    MemtableNode* const root = node(ref);
    version = root->lock().begin_read();
    // Another root is stored while the one before it is locked.
    if (root_.load(std::memory_order_acquire) == ref) return root;
  }
}

/// The leaf whose keys surround `key`, behind a parent that has room for one more child. False when
/// the tree changed under it, or was changed to make that room.
bool Memtable::descend_to_insert(Bytes key, InsertPath& path) {
  path.node = begin_at_root(path.version);
  while (path.node->level() > 0) {
    auto* const inner = static_cast<MemtableInnerNode*>(path.node);
    if (inner->count() == MemtableNode::kSlots) {
      split_inner(path);
      return false;
    }
    const MemtableNode::Place place = inner->find(order_, key);
    const unsigned index = place.index + static_cast<unsigned>(place.found());
    MemtableNode* const child = node(inner->child(index));
    if (inner->level() == 1) child->prefetch();
    const std::uint64_t child_version = child->lock().begin_read();
    if (!inner->lock().unchanged_since(path.version)) return false;
    path = {.parent = inner,
            .parent_version = path.version,
            .child_index = index,
            .node = child,
            .version = child_version};
  }
  return true;
}

/// Locks the node and its parent, if both are as they were read.
bool Memtable::lock(const InsertPath& path) noexcept {
  if (path.parent != nullptr && !path.parent->lock().try_lock(path.parent_version)) return false;
  if (path.node->lock().try_lock(path.version)) return true;
  if (path.parent != nullptr) path.parent->lock().unlock();
  return false;
}

void Memtable::unlock(const InsertPath& path) noexcept {
  path.node->lock().unlock();
  if (path.parent != nullptr) path.parent->lock().unlock();
}

bool Memtable::split_leaf(const InsertPath& path, unsigned index, ArenaRef record) {
  if (!lock(path)) return false;
  MemtableNode& left = *path.node;
  const unsigned count = left.count();
  // Keys that arrive in order leave full leaves behind.
  const unsigned first = index == count || index == 0 ? index : count / 2;
  const ArenaRef separator = first == count ? record : left.record(first);
  const Arena::Piece piece = allocate(sizeof(MemtableNode), alignof(MemtableNode));
  MemtableNode& right = *MemtableNode::create_leaf(piece.data);
  left.split_leaf(order_, first, separator, right);
  if (index > first || first == count) {
    right.insert(order_, index - first, record);
  } else {
    left.insert(order_, index, record);
  }
  hang(path, separator, piece.ref);
  unlock(path);
  return true;
}

void Memtable::split_inner(const InsertPath& path) {
  if (!lock(path)) return;
  auto& left = static_cast<MemtableInnerNode&>(*path.node);
  const Arena::Piece piece = allocate(sizeof(MemtableInnerNode), alignof(MemtableInnerNode));
  MemtableInnerNode& right = *MemtableInnerNode::create(piece.data, left.level(), 0);
  const ArenaRef separator = left.split(order_, right);
  hang(path, separator, piece.ref);
  unlock(path);
}

/// Makes `right`, whose keys begin with `separator`, the sibling of the path's node.
void Memtable::hang(const InsertPath& path, ArenaRef separator, ArenaRef right) {
  if (path.parent != nullptr) {
    path.parent->insert_child(order_, path.child_index, separator, right);
    return;
  }
  const Arena::Piece piece = allocate(sizeof(MemtableInnerNode), alignof(MemtableInnerNode));
  const ArenaRef left = root_.load(std::memory_order_relaxed);
  MemtableInnerNode& root = *MemtableInnerNode::create(piece.data, path.node->level() + 1, left);
  root.insert_child(order_, 0, separator, right);
  root_.store(piece.ref, std::memory_order_release);
}

const Version* Memtable::find(Bytes key, Sequence at) const {
  for (;;) {
    const LeafRead read = descend(Toward::kKey, key);
    const MemtableNode::Place place = read.leaf->find(order_, key);
    if (place.found()) return order_.record(place.record).versions().find(order_.arena, at);
    if (read.leaf->lock().unchanged_since(read.version)) return nullptr;
  }
}

Memtable::LeafRead Memtable::descend(Toward toward, Bytes key) const {
  for (;;) {
    LeafRead read;
    read.leaf = begin_at_root(read.version);
    while (read.leaf->level() > 0) {
      const auto* const inner = static_cast<const MemtableInnerNode*>(read.leaf);
      MemtableNode* const child = node(inner->child(child_index(*inner, toward, key)));
      child->prefetch();
      const std::uint64_t version = child->lock().begin_read();
      if (!inner->lock().unchanged_since(read.version)) break;
      read = {child, version};
    }
    if (read.leaf->level() == 0) return read;
  }
}

unsigned Memtable::child_index(const MemtableInnerNode& inner, Toward toward, Bytes key) const {
  if (toward == Toward::kFirst) return 0;
  if (toward == Toward::kLast) return inner.count();
  const MemtableNode::Place place = inner.find(order_, key);
  return place.index + static_cast<unsigned>(place.found() && toward == Toward::kKey);
}

Arena::Piece Memtable::allocate(std::size_t bytes, std::size_t alignment) {
  counts_[current_stripe()].bytes.fetch_add(bytes, std::memory_order_relaxed);
  return order_.arena.allocate(bytes, alignment);
}

std::uint64_t Memtable::sum(std::atomic<std::uint64_t> Counts::* count) const noexcept {
  std::uint64_t total = 0;
  for (const Counts& counts : counts_) total += (counts.*count).load(std::memory_order_relaxed);
  return total;
}

}  // namespace nacre::store
