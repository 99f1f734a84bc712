// Correct: a redo log whose checksum stands for the fence between log and commit.

#include "tests/mutants/programs.h"

namespace nacre::mutants {
namespace {

constexpr std::size_t kCells = 2;
constexpr std::size_t kLog = 2 * kLine;
constexpr std::size_t kChecksum = 4 * kLine;

/// Two cells, a line each; a log of both values, a line each; its checksum in another line.
class Cells {
 public:
  explicit Cells(pmem::Region& region) : region_(region) {}

  void set_both(std::uint64_t first, std::uint64_t second) {
    region_.store_u64(kLog, first);
    region_.store_u64(kLog + kLine, second);
    region_.store_u64(kChecksum, checksum_of({first, second}));
    // In any order: only all three together are a log.
    region_.fence();
    apply();
  }

  Values recover() {
    const Values logged{read_u64(region_, kLog), read_u64(region_, kLog + kLine)};
    const std::uint64_t checksum = read_u64(region_, kChecksum);
    if (checksum == checksum_of(logged)) {
      apply();
    } else if (checksum != 0) {
      persist_u64(region_, kChecksum, 0);
    }
    return {read_u64(region_, 0), read_u64(region_, kLine)};
  }

 private:
  void apply() {
    for (std::size_t i = 0; i < kCells; ++i) {
      region_.store_u64(i * kLine, read_u64(region_, kLog + i * kLine));
    }
    // The cells hold before the log is given up.
    region_.fence();
    persist_u64(region_, kChecksum, 0);
  }

  pmem::Region& region_;
};

}  // namespace

CrashReport checksummed_redo_log(const CrashTestOptions& options) {
  return CrashTest<Values>(options)
      .run([](SimulatedMachine& machine, CrashRun& run) {
        Cells cells(machine.region());
        run.operation("set 1", [&] { cells.set_both(11, 12); });
        run.operation("set 2", [&] { cells.set_both(21, 22); });
      })
      .recover([](SimulatedMachine& machine) -> Result<Values> {
        return Cells(machine.region()).recover();
      })
      .check([](const Values& found, const CrashHistory& history) {
        return check_after("pair", found, {{0, 0}, {11, 12}, {21, 22}}, history);
      })
      .explore();
}

}  // namespace nacre::mutants
