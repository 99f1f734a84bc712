// Mutant 1: a pointer is published before its payload is flushed.
//
// push makes the new head durable first and flushes the node afterwards: a crash between the two
// leaves a list that leads to a node of which nothing, or half, was ever written. It stands for the
// commonest bug of persistent lists and trees: PMDK's own lists had it, their constructors did not
// persist what was linked next (pmem/pmdk 956496fd9).

#include "tests/mutants/programs.h"

namespace nacre::mutants {
namespace {

/// A stack of values, a line each. Line 0 holds the offset of the newest, 0 for none.
class List {
 public:
  List(pmem::Region& region, Variant variant) : region_(region), variant_(variant) {}

  void push(std::uint64_t value) {
    const std::size_t node = free_;
    free_ += kLine;
    write_u64(region_, node, value);
    write_u64(region_, node + kWord, read_u64(region_, 0));
    if (variant_ == Variant::kCorrect) persist(node);
    persist_u64(region_, 0, node);
    if (variant_ == Variant::kMutant) persist(node);
  }

  Values values() {
    Values newest_first;
    std::size_t node = read_u64(region_, 0);
    while (node != 0) {
      newest_first.push_back(read_u64(region_, node));
      node = read_u64(region_, node + kWord);
    }
    return {newest_first.rbegin(), newest_first.rend()};
  }

 private:
  void persist(std::size_t node) {
    region_.flush(node, 2 * kWord);
    region_.fence();
  }

  pmem::Region& region_;
  Variant variant_;
  std::size_t free_ = kLine;
};

}  // namespace

CrashReport pointer_before_payload(const CrashTestOptions& options, Variant variant) {
  return CrashTest<Values>(options)
      .run([variant](SimulatedMachine& machine, CrashRun& run) {
        List list(machine.region(), variant);
        for (const std::uint64_t value : Values{11, 22, 33}) {
          run.operation("push", [&] { list.push(value); });
        }
      })
      .recover([variant](SimulatedMachine& machine) -> Result<Values> {
        return List(machine.region(), variant).values();
      })
      .check([](const Values& found, const CrashHistory& history) {
        return check_prefix("list", found, {11, 22, 33}, history);
      })
      .explore();
}

}  // namespace nacre::mutants
