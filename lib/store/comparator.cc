#include "nacre/comparator.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

namespace nacre {
namespace {

std::strong_ordering compare_bytes(Bytes a, Bytes b) noexcept {
  const std::size_t common = std::min(a.size(), b.size());
  const int order = common == 0 ? 0 : std::memcmp(a.data(), b.data(), common);
  return order == 0 ? a.size() <=> b.size() : order <=> 0;
}

std::uint64_t big_endian_head(Bytes key, std::size_t skip) noexcept {
  if (key.size() <= skip) return 0;
  std::uint64_t word = 0;
  // A copy of known length is one load; a search takes a head in every node it passes.
  if (key.size() - skip >= sizeof word) {
    std::memcpy(&word, key.data() + skip, sizeof word);
  } else {
    std::memcpy(&word, key.data() + skip, key.size() - skip);
  }
  static_assert(std::endian::native == std::endian::little);
  return std::byteswap(word);
}

}  // namespace

Comparator::Comparator(Order order, std::string name, Compare compare)
    : order_(order),
      name_(std::make_shared<const std::string>(std::move(name))),
      compare_(compare ? std::make_shared<const Compare>(std::move(compare)) : nullptr) {}

Comparator Comparator::bytewise() { return {Order::kBytewise, "nacre.bytewise", {}}; }

Comparator Comparator::reverse_bytewise() {
  return {Order::kReverse, "nacre.reverse_bytewise", {}};
}

Comparator Comparator::custom(std::string name, Compare compare) {
  return {Order::kCustom, std::move(name), std::move(compare)};
}

std::strong_ordering Comparator::operator()(Bytes a, Bytes b) const {
  switch (order_) {
    case Order::kBytewise:
      return compare_bytes(a, b);
    case Order::kReverse:
      return compare_bytes(b, a);
    case Order::kCustom:
      break;
  }
  return (*compare_)(a, b);
}

std::uint64_t Comparator::head(Bytes key, std::size_t skip) const noexcept {
  switch (order_) {
    case Order::kBytewise:
      return big_endian_head(key, skip);
    case Order::kReverse:
      return ~big_endian_head(key, skip);
    case Order::kCustom:
      break;
  }
  return 0;
}

}  // namespace nacre
