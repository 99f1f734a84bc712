#include "lib/store/iterator_bounds.h"

#include <algorithm>
#include <utility>

namespace nacre::store {
namespace {

std::optional<std::vector<std::byte>> copy_of(const std::optional<Bytes>& key) {
  if (!key.has_value()) return {};
  return std::vector<std::byte>(key->begin(), key->end());
}

/// By bytes, the first key behind all that begin with `prefix`; none when there is no such key.
std::optional<std::vector<std::byte>> behind_prefix(std::vector<std::byte> prefix) {
  while (!prefix.empty() && prefix.back() == std::byte{0xff}) prefix.pop_back();
  if (prefix.empty()) return {};
  prefix.back() = static_cast<std::byte>(std::to_integer<unsigned>(prefix.back()) + 1);
  return prefix;
}

}  // namespace

IteratorBounds::IteratorBounds(const ReadOptions& options, const Comparator& order)
    : order_(order),
      lower_(copy_of(options.lower_bound)),
      upper_(copy_of(options.upper_bound)),
      prefix_(options.prefix.begin(), options.prefix.end()),
      first_(lower_),
      last_(upper_) {
  if (!prefix_.empty() && order.keeps_prefixes()) narrow_to_prefix();
}

void IteratorBounds::narrow_to_prefix() {
  std::optional<std::vector<std::byte>> first = prefix_;
  std::optional<std::vector<std::byte>> last = behind_prefix(prefix_);
  // In the reverse order the prefix itself is the last of the keys that begin with it.
  const bool is_reverse = last.has_value() ? order_(*last, *first) < 0 : order_(prefix_, {}) < 0;
  if (is_reverse) std::swap(first, last);
  if (first && (!first_ || order_(*first_, *first) < 0)) first_ = std::move(first);
  if (last && (!last_ || order_(*last, *last_) < 0)) last_ = std::move(last);
}

IteratorBounds::Side IteratorBounds::side(Bytes key) const {
  if (lower_ && order_(key, *lower_) < 0) return Side::kBefore;
  if (upper_ && order_(key, *upper_) >= 0) return Side::kBehind;
  if (key.size() >= prefix_.size() && std::ranges::equal(key.first(prefix_.size()), prefix_)) {
    return Side::kInside;
  }
  if (!order_.keeps_prefixes()) return Side::kBetween;
  return order_(key, prefix_) < 0 ? Side::kBefore : Side::kBehind;
}

}  // namespace nacre::store
