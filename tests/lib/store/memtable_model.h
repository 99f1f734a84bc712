#pragma once

// A memtable and the std::map that says what belongs in it.

#include <gtest/gtest.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "lib/store/memtable.h"
#include "nacre/random.h"

namespace nacre::test {

/// Keys of one shape, drawn by chance; the same comes up again.
struct KeyShape {
  std::string name;
  std::function<std::string(SeededRandom&)> draw;
};

inline std::vector<KeyShape> key_shapes() {
  const auto bytes = [](SeededRandom& random, std::size_t count, std::uint64_t alphabet) {
    std::string key;
    while (key.size() < count) key.push_back(static_cast<char>(random.next_u64() % alphabet));
    return key;
  };
  return {
      {"random_16", [=](SeededRandom& random) { return bytes(random, 16, 256); }},
      {"short", [=](SeededRandom& random) { return bytes(random, random.next_u64() % 4, 7); }},
      {"zeros", [=](SeededRandom& random) { return bytes(random, random.next_u64() % 40, 2); }},
      {"long_prefix",
       [=](SeededRandom& random) {
         return std::string(random.next_u64() % 4 * 300, 'p') + bytes(random, 3, 256);
       }},
      {"same_heads",
       [=](SeededRandom& random) {
         return bytes(random, 1, 3) + "headhead" + bytes(random, 2, 256);
       }},
  };
}

inline std::vector<Comparator> orders() {
  return {Comparator::bytewise(), Comparator::reverse_bytewise(),
          Comparator::custom("test.by_length", [](Bytes a, Bytes b) {
            if (a.size() != b.size()) return a.size() <=> b.size();
            return Comparator::bytewise()(a, b);
          })};
}

class MemtableModel {
 public:
  struct Less {
    Comparator order;
    bool operator()(const std::string& a, const std::string& b) const {
      return order(as_bytes(a), as_bytes(b)) < 0;
    }
  };
  using Sequence = store::Sequence;
  /// Sequence to values, in the order in which they came.
  using Versions = std::map<std::uint64_t, std::vector<std::string>>;
  using Keys = std::map<std::string, Versions, Less>;

  explicit MemtableModel(const Comparator& order) : memtable_(order, arena_), keys_(Less{order}) {}

  void insert(const std::string& key, std::uint64_t sequence) {
    const std::string& value = values_.emplace_back(std::to_string(values_.size()));
    memtable_.insert(as_bytes(key), Sequence{sequence}, store::EntryKind::kPut, as_bytes(value));
    keys_[key][sequence].push_back(value);
  }

  /// The values of `key` of `at` or before, the newest first.
  std::vector<std::string> expected(const std::string& key, std::uint64_t at) const {
    std::vector<std::string> values;
    const auto versions = keys_.find(key);
    if (versions == keys_.end()) return values;
    for (auto i = versions->second.rbegin(); i != versions->second.rend(); ++i) {
      if (i->first <= at) values.insert(values.end(), i->second.rbegin(), i->second.rend());
    }
    return values;
  }
  std::vector<std::string> found(const std::string& key, std::uint64_t at) const {
    return chain(memtable_.find(as_bytes(key), Sequence{at}));
  }
  std::vector<std::string> chain(const store::Version* version) const {
    std::vector<std::string> values;
    for (; version != nullptr; version = memtable_.older(*version)) {
      values.emplace_back(as_text(version->value()));
    }
    return values;
  }

  store::Memtable& memtable() { return memtable_; }
  const store::Memtable& memtable() const { return memtable_; }
  const Keys& keys() const { return keys_; }
  std::size_t entries() const { return values_.size(); }

 private:
  store::Arena arena_;
  store::Memtable memtable_;
  std::deque<std::string> values_;
  Keys keys_;
};

}  // namespace nacre::test
