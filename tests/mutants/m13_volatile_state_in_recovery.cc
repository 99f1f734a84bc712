// Mutant 13: recovery uses volatile state that it has not rebuilt yet.
//
// Recovery finishes the append that was cut short before it has counted the values, so that the
// count is still 0, and the value lands on top of the first one. Bugs in the rebuilding of memory
// that is not persistent are a large part of what was found in file systems for persistent memory
// (LeBlanc et al., "Finding and Analyzing Crash-Consistency Bugs in Persistent-Memory File
// Systems", 2022).

#include "tests/mutants/programs.h"

namespace nacre::mutants {
namespace {

/// Values that are not 0, a line each from line 1 on. Line 0 holds the one being appended.
class Queue {
 public:
  Queue(pmem::Region& region, Variant variant) : region_(region), variant_(variant) {}

  void append(std::uint64_t value) {
    persist_u64(region_, 0, value);
    finish_append();
  }

  Values recover() {
    if (variant_ == Variant::kCorrect) count_values();
    if (read_u64(region_, 0) != 0) finish_append();
    if (variant_ == Variant::kMutant) count_values();
    Values values;
    for (std::size_t i = 0; i < count_; ++i) values.push_back(read_u64(region_, slot(i)));
    return values;
  }

 private:
  static std::size_t slot(std::size_t index) { return (index + 1) * kLine; }

  void finish_append() {
    const std::uint64_t value = read_u64(region_, 0);
    if (count_ == 0 || read_u64(region_, slot(count_ - 1)) != value) {
      persist_u64(region_, slot(count_), value);
      ++count_;
    }
    // The value holds before the word that would bring it back is cleared.
    persist_u64(region_, 0, 0);
  }
  void count_values() {
    count_ = 0;
    while (read_u64(region_, slot(count_)) != 0) ++count_;
  }

  pmem::Region& region_;
  Variant variant_;
  std::size_t count_ = 0;
};

}  // namespace

CrashReport volatile_state_in_recovery(const CrashTestOptions& options, Variant variant) {
  return CrashTest<Values>(options)
      .run([variant](SimulatedMachine& machine, CrashRun& run) {
        Queue queue(machine.region(), variant);
        for (const std::uint64_t value : Values{11, 22, 33}) {
          run.operation("append", [&] { queue.append(value); });
        }
      })
      .recover([variant](SimulatedMachine& machine) -> Result<Values> {
        return Queue(machine.region(), variant).recover();
      })
      .check([](const Values& found, const CrashHistory& history) {
        return check_prefix("queue", found, {11, 22, 33}, history);
      })
      .explore();
}

}  // namespace nacre::mutants
