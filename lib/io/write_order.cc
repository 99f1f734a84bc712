#include "lib/io/write_order.h"

#include <functional>
#include <iterator>
#include <utility>

#include "lib/base/assert.h"

namespace nacre {

bool WriteOrder::Before::operator()(const WriteRange* a, const WriteRange* b) const noexcept {
  return a->file != b->file ? std::less<>()(a->file, b->file) : a->offset < b->offset;
}

bool WriteOrder::overlaps(const WriteRange& range) const {
  WriteRange key = range;
  const auto next = ranges_.lower_bound(&key);
  if (next != ranges_.end() && (*next)->overlaps(range)) return true;
  return next != ranges_.begin() && (*std::prev(next))->overlaps(range);
}

void WriteOrder::insert(WriteRange& range) {
  if (spare_.empty()) {
    ranges_.insert(&range);
    return;
  }
  Ranges::node_type node = std::move(spare_.back());
  spare_.pop_back();
  node.value() = &range;
  ranges_.insert(std::move(node));
}

void WriteOrder::erase(WriteRange& range) {
  const auto at = ranges_.find(&range);
  NACRE_ASSERT(at != ranges_.end() && *at == &range);
  spare_.push_back(ranges_.extract(at));
}

WriteRange* WriteOrder::after(const WriteRange& range) const {
  WriteRange key = range;
  key.offset = range.end();
  const auto at = ranges_.find(&key);
  return at == ranges_.end() ? nullptr : *at;
}

WriteRange* WriteOrder::before(const WriteRange& range) const {
  WriteRange key = range;
  const auto at = ranges_.lower_bound(&key);
  if (at == ranges_.begin()) return nullptr;
  WriteRange* const found = *std::prev(at);
  return found->file == range.file && found->end() == range.offset ? found : nullptr;
}

}  // namespace nacre
