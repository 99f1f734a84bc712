#include "lib/store/memtable_node.h"

#include <algorithm>
#include <new>

namespace nacre::store {
namespace {

std::uint32_t common_prefix(Bytes a, Bytes b) noexcept {
  const auto [end, other] = std::ranges::mismatch(a, b);
  return static_cast<std::uint32_t>(end - a.begin());
}

}  // namespace

MemtableNode* MemtableNode::create_leaf(std::byte* place) noexcept {
  return new (place) MemtableNode(0);
}

MemtableNode::Place MemtableNode::find(const KeyOrder& order, Bytes key) const {
  const std::uint32_t head = order.head(key, skip_.load(std::memory_order_acquire));
  const unsigned begin = count_below(word(head, 0));
  const std::uint64_t first = slot(begin);
  if (first >> 32 != head || first == kNone) return {begin, 0};
  const bool alone = slot(begin + 1) >> 32 != head;
  return find_among(order, key, begin, alone ? begin + 1 : count_below(word(head, ~ArenaRef{0})));
}

/// How many words are less than `bound`. No branch depends on a key: it could not be predicted.
unsigned MemtableNode::count_below(std::uint64_t bound) const noexcept {
  static_assert(kSlots == 127);
  unsigned count = 0;
#pragma GCC unroll 7
  for (unsigned step = 64; step > 0; step /= 2) {
    count = slot(count + step - 1) < bound ? count + step : count;
  }
  return count;
}

/// Among keys whose heads are the same.
MemtableNode::Place MemtableNode::find_among(const KeyOrder& order, Bytes key, unsigned begin,
                                             unsigned end) const {
  while (begin < end) {
    const unsigned middle = begin + (end - begin) / 2;
    const ArenaRef candidate = record(middle);
    if (candidate == static_cast<ArenaRef>(kNone)) return {middle, 0};
    const std::strong_ordering compared = order.compare(key, order.key(candidate));
    if (compared == 0) return {middle, candidate};
    if (compared < 0) {
      end = middle;
    } else {
      begin = middle + 1;
    }
  }
  return {begin, 0};
}

void MemtableNode::insert(const KeyOrder& order, unsigned index, ArenaRef record) noexcept {
  const unsigned count = count_.load(std::memory_order_relaxed);
  for (unsigned i = count; i > index; --i) {
    set_slot(i, slots_[i - 1].load(std::memory_order_relaxed));
  }
  const std::uint32_t skip = skip_.load(std::memory_order_relaxed);
  set_slot(index, word(order.head(order.key(record), skip), record));
  set_count(count + 1);
}

void MemtableNode::split_leaf(const KeyOrder& order, unsigned first, ArenaRef separator,
                              MemtableNode& right) noexcept {
  split_keys(order, first, first, separator, right);
}

void MemtableNode::split_keys(const KeyOrder& order, unsigned keep, unsigned first,
                              ArenaRef separator, MemtableNode& right) noexcept {
  const unsigned count = count_.load(std::memory_order_relaxed);
  for (unsigned i = first; i < count; ++i) {
    right.set_slot(i - first, slots_[i].load(std::memory_order_relaxed));
  }
  right.set_count(count - first);
  for (unsigned i = keep; i < count; ++i) set_slot(i, kNone);
  right.skip_.store(skip_.load(std::memory_order_relaxed), std::memory_order_relaxed);
  set_count(keep);
  right.set_fences(order, separator, high());
  set_fences(order, low(), separator);
}

/// Narrows the node to keys between these; where they share more, takes new heads.
void MemtableNode::set_fences(const KeyOrder& order, ArenaRef low, ArenaRef high) noexcept {
  low_.store(low, std::memory_order_release);
  high_.store(high, std::memory_order_release);
  if (low == 0 || high == 0 || !order.compare.keeps_prefixes()) return;
  const std::uint32_t skip = common_prefix(order.key(low), order.key(high));
  if (skip == skip_.load(std::memory_order_relaxed)) return;
  const unsigned count = count_.load(std::memory_order_relaxed);
  for (unsigned i = 0; i < count; ++i) __builtin_prefetch(&order.record(record(i)));
  for (unsigned i = 0; i < count; ++i) {
    set_slot(i, word(order.head(order.key(record(i)), skip), record(i)));
  }
  skip_.store(skip, std::memory_order_release);
}

MemtableInnerNode* MemtableInnerNode::create(std::byte* place, unsigned level,
                                             ArenaRef child) noexcept {
  auto* const node = new (place) MemtableInnerNode(level);
  node->children_[0].store(child, std::memory_order_relaxed);
  return node;
}

void MemtableInnerNode::insert_child(const KeyOrder& order, unsigned index, ArenaRef separator,
                                     ArenaRef child) noexcept {
  // The children first: whoever reads a count finds so many.
  for (unsigned i = count() + 1; i > index + 1; --i) {
    children_[i].store(children_[i - 1].load(std::memory_order_relaxed), std::memory_order_release);
  }
  children_[index + 1].store(child, std::memory_order_release);
  insert(order, index, separator);
}

ArenaRef MemtableInnerNode::split(const KeyOrder& order, MemtableInnerNode& right) noexcept {
  const unsigned count = this->count();
  const unsigned middle = count / 2;
  const ArenaRef separator = record(middle);
  for (unsigned i = middle + 1; i <= count; ++i) {
    right.children_[i - middle - 1].store(children_[i].load(std::memory_order_relaxed),
                                          std::memory_order_relaxed);
  }
  split_keys(order, middle, middle + 1, separator, right);
  return separator;
}

}  // namespace nacre::store
