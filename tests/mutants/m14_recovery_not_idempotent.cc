// Mutant 14: recovery is not idempotent.
//
// Recovery gives up the undo log before what it has undone is durable. Run to its end it is right
// each time; when the power goes a second time, in recovery, the half that was undone is all that
// there will ever be. Only crashes in recovery show it.

#include "tests/mutants/programs.h"

namespace nacre::mutants {
namespace {

constexpr std::size_t kLog = 2 * kLine;
constexpr std::size_t kLogHolds = 3 * kLine;

/// Two cells, a line each, that are always equal.
class Twins {
 public:
  Twins(pmem::Region& region, Variant variant) : region_(region), variant_(variant) {}

  void set(std::uint64_t value) {
    persist_u64(region_, kLog, read_u64(region_, 0));
    persist_u64(region_, kLogHolds, 1);
    set_both(value);
    persist_u64(region_, kLogHolds, 0);
  }

  Values recover() {
    if (read_u64(region_, kLogHolds) != 0) {
      if (variant_ == Variant::kMutant) persist_u64(region_, kLogHolds, 0);
      set_both(read_u64(region_, kLog));
      if (variant_ == Variant::kCorrect) persist_u64(region_, kLogHolds, 0);
    }
    return {read_u64(region_, 0), read_u64(region_, kLine)};
  }

 private:
  void set_both(std::uint64_t value) {
    region_.store_u64(0, value);
    region_.store_u64(kLine, value);
    region_.fence();
  }

  pmem::Region& region_;
  Variant variant_;
};

}  // namespace

CrashReport recovery_not_idempotent(const CrashTestOptions& options, Variant variant) {
  return CrashTest<Values>(options)
      .run([variant](SimulatedMachine& machine, CrashRun& run) {
        Twins twins(machine.region(), variant);
        run.operation("set 11", [&] { twins.set(11); });
        run.operation("set 22", [&] { twins.set(22); });
      })
      .recover([variant](SimulatedMachine& machine) -> Result<Values> {
        return Twins(machine.region(), variant).recover();
      })
      .check([](const Values& found, const CrashHistory& history) {
        return check_after("pair", found, {{0, 0}, {11, 11}, {22, 22}}, history);
      })
      .explore();
}

}  // namespace nacre::mutants
