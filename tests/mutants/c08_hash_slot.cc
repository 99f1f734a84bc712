// Correct: a hash table whose slot is one word, key and value together.

#include "tests/mutants/programs.h"

namespace nacre::mutants {
namespace {

constexpr std::size_t kSlots = 8;

/// Eight slots in one line, probed one after the other: the key in the upper half of the word, the
/// value in the lower, 0 for none.
class HashTable {
 public:
  explicit HashTable(pmem::Region& region) : region_(region) {}

  void set(std::uint64_t key, std::uint64_t value) {
    std::size_t slot = key % kSlots;
    while (!may_hold(slot, key)) slot = (slot + 1) % kSlots;
    persist_u64(region_, slot * kWord, key << 32 | value);
  }

  /// The values of keys 1, 9 and 17, which meet in one slot; 0 for none.
  Values values() {
    Values values;
    for (const std::uint64_t key : Values{1, 9, 17}) {
      std::size_t slot = key % kSlots;
      while (!may_hold(slot, key)) slot = (slot + 1) % kSlots;
      values.push_back(read_u64(region_, slot * kWord) & 0xffffffff);
    }
    return values;
  }

 private:
  bool may_hold(std::size_t slot, std::uint64_t key) {
    const std::uint64_t word = read_u64(region_, slot * kWord);
    return word == 0 || word >> 32 == key;
  }

  pmem::Region& region_;
};

}  // namespace

CrashReport hash_slot(const CrashTestOptions& options) {
  return CrashTest<Values>(options)
      .run([](SimulatedMachine& machine, CrashRun& run) {
        HashTable table(machine.region());
        run.operation("set 1", [&] { table.set(1, 11); });
        run.operation("set 9", [&] { table.set(9, 22); });
        run.operation("set 1 again", [&] { table.set(1, 33); });
        run.operation("set 17", [&] { table.set(17, 44); });
      })
      .recover([](SimulatedMachine& machine) -> Result<Values> {
        return HashTable(machine.region()).values();
      })
      .check([](const Values& found, const CrashHistory& history) {
        return check_after("hash table", found,
                           {{0, 0, 0}, {11, 0, 0}, {11, 22, 0}, {33, 22, 0}, {33, 22, 44}},
                           history);
      })
      .explore();
}

}  // namespace nacre::mutants
