// Mutant 12: the old version is deleted before the new one is durable.
//
// An update takes the old slot away and then fills another one; a crash between the two leaves the
// key with no value at all. It stands for "delete, then write" in place of "write, then delete",
// with files as with memory.

#include "tests/mutants/programs.h"

namespace nacre::mutants {
namespace {

/// One key's value, in one of two slots, a line each: the word of a slot is its version and value,
/// 0 for none. The higher version counts.
class Entry {
 public:
  Entry(pmem::Region& region, Variant variant) : region_(region), variant_(variant) {}

  void update(std::uint64_t value) {
    const std::size_t slot = newest();
    const std::uint64_t version = (read_u64(region_, slot * kLine) >> 32) + 1;
    if (variant_ == Variant::kMutant) persist_u64(region_, slot * kLine, 0);
    persist_u64(region_, (1 - slot) * kLine, version << 32 | value);
    if (variant_ == Variant::kCorrect) persist_u64(region_, slot * kLine, 0);
  }

  Values value() {
    const std::uint64_t word = read_u64(region_, newest() * kLine);
    if (word == 0) return {};
    return {word & 0xffffffff};
  }

 private:
  std::size_t newest() { return read_u64(region_, 0) > read_u64(region_, kLine) ? 0 : 1; }

  pmem::Region& region_;
  Variant variant_;
};

}  // namespace

CrashReport deleted_before_durable(const CrashTestOptions& options, Variant variant) {
  return CrashTest<Values>(options)
      .run([variant](SimulatedMachine& machine, CrashRun& run) {
        Entry entry(machine.region(), variant);
        for (const std::uint64_t value : Values{11, 22, 33}) {
          run.operation("update", [&] { entry.update(value); });
        }
      })
      .recover([variant](SimulatedMachine& machine) -> Result<Values> {
        return Entry(machine.region(), variant).value();
      })
      .check([](const Values& found, const CrashHistory& history) {
        return check_after("entry", found, {{}, {11}, {22}, {33}}, history);
      })
      .explore();
}

}  // namespace nacre::mutants
