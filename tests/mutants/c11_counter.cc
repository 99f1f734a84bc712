// Correct: a counter that is one word, under every model.

#include "tests/mutants/programs.h"

namespace nacre::mutants {

CrashReport counter(const CrashTestOptions& options) {
  return CrashTest<Values>(options)
      .run([](SimulatedMachine& machine, CrashRun& run) {
        for (std::uint64_t i = 1; i <= 4; ++i) {
          run.operation("count", [&] {
            machine.region().store_u64(0, i);
            sync_range(machine.region(), 0, kWord);
          });
        }
      })
      .recover([](SimulatedMachine& machine) -> Result<Values> {
        return Values{read_u64(machine.region(), 0)};
      })
      .check([](const Values& found, const CrashHistory& history) {
        return check_after("counter", found, {{0}, {1}, {2}, {3}, {4}}, history);
      })
      .explore();
}

}  // namespace nacre::mutants
