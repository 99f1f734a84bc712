// Tries random operations, reopenings and power cuts on a key-value map in persistent memory, with
// std::map beside it: crash_model [--fixed]
//
// Without --fixed a put marks its slot as used before the value in it is durable. That does no harm
// in a new slot, where there is nothing; but in one that was removed it brings the old value back.
// A sequence of three steps shows it; with --fixed every sequence passes.

#include <cstdint>
#include <cstring>
#include <iostream>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <nacre/emulation/model_crash_test.h>

namespace {

/// Puts `value` under `key`; removes the key when it is 0.
struct Change {
  std::uint64_t key;
  std::uint64_t value;

  std::string to_string() const {
    if (value == 0) return "remove " + std::to_string(key);
    return "put " + std::to_string(key) + "=" + std::to_string(value);
  }
};

/// What the map has to be: says whether the key was there.
struct Model {
  std::map<std::uint64_t, std::uint64_t> values = {};

  bool apply(const Change& change) {
    const bool was_there = values.erase(change.key) > 0;
    if (change.value != 0) values[change.key] = change.value;
    return was_there;
  }
  friend bool operator==(const Model&, const Model&) = default;
};

/// A slot of two lines for each key: whether it is used, and the value.
class Map {
 public:
  Map(nacre::pmem::Region& region, bool fixed) : region_(&region), fixed_(fixed) {}

  bool change(const Change& change) {
    const bool was_there = is_used(change.key);
    if (change.value != 0) {
      put(change);
    } else if (was_there) {
      region_->store_u64(change.key * kSlotBytes, 0);
      region_->fence();
    }
    return was_there;
  }

  Model contents() const {
    Model model;
    for (std::uint64_t key = 1; key <= kKeys; ++key) {
      if (is_used(key)) model.values[key] = word(key * kSlotBytes + kValueAt);
    }
    return model;
  }

  static constexpr std::uint64_t kKeys = 4;

 private:
  static constexpr std::size_t kSlotBytes = 128;
  static constexpr std::size_t kValueAt = 64;

  void put(const Change& change) {
    region_->store_u64(change.key * kSlotBytes + kValueAt, change.value);
    // The value must be durable before the mark that makes it count.
    if (fixed_) region_->fence();
    region_->store_u64(change.key * kSlotBytes, 1);
    region_->fence();
  }

  bool is_used(std::uint64_t key) const {
    return word(key * kSlotBytes) != 0 && word(key * kSlotBytes + kValueAt) != 0;
  }
  std::uint64_t word(std::size_t at) const {
    std::uint64_t value = 0;
    std::memcpy(&value, region_->data() + at, sizeof value);
    return value;
  }

  nacre::pmem::Region* region_;
  bool fixed_;
};

}  // namespace

int main(int argc, char** argv) {
  const bool fixed = argc > 1 && std::string_view(argv[1]) == "--fixed";
  const nacre::CrashReport report =
      nacre::ModelCrashTest<Map, Model, Change>()
          .open([=](nacre::SimulatedMachine& machine) -> nacre::Result<Map> {
            return Map(machine.region(), fixed);
          })
          .generate([](nacre::RandomSource& random) {
            return Change{.key = 1 + nacre::uniform_below(random, Map::kKeys),
                          .value = 10 * nacre::uniform_below(random, 4)};
          })
          .execute([](Map& map, const Change& change) { return map.change(change); })
          .read([](Map& map) { return map.contents(); })
          .explore();
  std::cout << report.to_string();
  return report.passed() ? 0 : 1;
}
