#pragma once

// Fields one after the other as bytes, for another process of the same program.

#include <bit>
#include <cstdint>
#include <string>
#include <string_view>

#include "lib/base/assert.h"

namespace nacre {

class Packer {
 public:
  void add(std::uint64_t value) {
    text_.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  void add(double value) { add(std::bit_cast<std::uint64_t>(value)); }
  void add(std::string_view value) {
    add(std::uint64_t{value.size()});
    text_ += value;
  }
  template <class Items, class AddItem>
  void add_each(const Items& items, AddItem add_item) {
    add(std::uint64_t{items.size()});
    for (const auto& item : items) add_item(item);
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

/// Takes back what a Packer put, in the same order.
class Unpacker {
 public:
  explicit Unpacker(std::string_view text) : rest_(text) {}
  std::uint64_t number() {
    std::uint64_t value = 0;
    NACRE_ASSERT(rest_.size() >= sizeof value);
    rest_.copy(reinterpret_cast<char*>(&value), sizeof value);
    rest_.remove_prefix(sizeof value);
    return value;
  }
  double real() { return std::bit_cast<double>(number()); }
  std::string text() {
    const std::uint64_t size = number();
    NACRE_ASSERT(rest_.size() >= size);
    std::string value(rest_.substr(0, size));
    rest_.remove_prefix(size);
    return value;
  }
  template <class Items, class TakeItem>
  void take_each(Items& items, TakeItem take_item) {
    items.resize(number());
    for (auto& item : items) take_item(item);
  }

 private:
  std::string_view rest_;
};

}  // namespace nacre
