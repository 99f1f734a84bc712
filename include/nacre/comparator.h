#pragma once

// The order of a store's keys. Its name is stored with the data, so that keys which were sorted one
// way are never searched another way.
//
// Thread safety: immutable; copies are cheap.

#include <compare>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "nacre/types.h"

namespace nacre {

class Comparator {
 public:
  using Compare = std::function<std::strong_ordering(Bytes, Bytes)>;

  /// By unsigned bytes from the left; a prefix comes before what it begins. "nacre.bytewise".
  static Comparator bytewise();
  /// The same, the other way round. "nacre.reverse_bytewise".
  static Comparator reverse_bytewise();
  /// An order of the caller's own. `compare` is called from any thread; it is pure, does not throw,
  /// is a total order, and says "equal" of the same bytes only. Another order under a name that was
  /// used before makes keys unfindable: change the name with the order. An empty name,
  /// those that begin with "nacre.", and an empty `compare` are refused where a store or a keyspace
  /// is made.
  static Comparator custom(std::string name, Compare compare);

  std::string_view name() const noexcept { return *name_; }

  /// False of an empty `compare`.
  bool has_function() const noexcept { return order_ != Order::kCustom || compare_ != nullptr; }
  std::strong_ordering operator()(Bytes a, Bytes b) const;

  /// A number of the 8 bytes of `key` behind its first `skip`, which two keys with the same first
  /// `skip` bytes are ordered by as far as it goes: where it is less, so is the key; where it is
  /// the same, they are still to be compared. Always 0 in an order of the caller's own.
  std::uint64_t head(Bytes key, std::size_t skip) const noexcept;

  /// True when every key between two that share a prefix shares it too.
  bool keeps_prefixes() const noexcept { return order_ != Order::kCustom; }

 private:
  enum class Order : std::uint8_t { kBytewise, kReverse, kCustom };
  Comparator(Order order, std::string name, Compare compare);

  Order order_;
  std::shared_ptr<const std::string> name_;
  std::shared_ptr<const Compare> compare_;  // Null but for kCustom.
};

}  // namespace nacre
