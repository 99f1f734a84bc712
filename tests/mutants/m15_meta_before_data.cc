// Mutant 15: a meta page reaches the disk before the data it leads to.
//
// One msync covers the data page and the meta page, and the kernel writes dirty pages in whatever
// order it likes, before the call as well as during it. It stands for stores over a mapped file,
// LMDB's design among them, which sync twice for this reason.

#include "tests/mutants/programs.h"

namespace nacre::mutants {
namespace {

/// A value of two words in a page of its own; page 0 holds the page's number.
class MappedValue {
 public:
  MappedValue(pmem::Region& region, Variant variant) : region_(region), variant_(variant) {}

  void replace(std::uint64_t value) {
    const std::size_t page = read_u64(region_, 0) == 1 ? 2 : 1;
    write_u64(region_, page * kPage, value);
    write_u64(region_, page * kPage + kWord, value);
    // The data hold before the meta page leads to them.
    if (variant_ == Variant::kCorrect) sync_range(region_, page * kPage, (page + 1) * kPage);
    write_u64(region_, 0, page);
    sync_range(region_, 0, variant_ == Variant::kCorrect ? kPage : 3 * kPage);
  }

  Values value() {
    const std::size_t page = read_u64(region_, 0);
    if (page == 0) return {};
    return {read_u64(region_, page * kPage), read_u64(region_, page * kPage + kWord)};
  }

 private:
  pmem::Region& region_;
  Variant variant_;
};

}  // namespace

CrashReport meta_before_data(const CrashTestOptions& options, Variant variant) {
  return CrashTest<Values>(options)
      .run([variant](SimulatedMachine& machine, CrashRun& run) {
        MappedValue mapped(machine.region(), variant);
        for (const std::uint64_t value : Values{11, 22, 33}) {
          run.operation("replace", [&] { mapped.replace(value); });
        }
      })
      .recover([variant](SimulatedMachine& machine) -> Result<Values> {
        return MappedValue(machine.region(), variant).value();
      })
      .check([](const Values& found, const CrashHistory& history) {
        return check_after("mapped value", found, {{}, {11, 11}, {22, 22}, {33, 33}}, history);
      })
      .explore();
}

}  // namespace nacre::mutants
