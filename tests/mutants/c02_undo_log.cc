// Correct: several cells changed in place, under an undo log.

#include "tests/mutants/programs.h"

namespace nacre::mutants {
namespace {

constexpr std::size_t kCells = 3;
constexpr std::size_t kLog = kCells * kLine;
/// Behind the old values in the log's line: how many of them hold.
constexpr std::size_t kCount = kLog + kCells * kWord;

/// Three cells, a line each, that change together.
class Cells {
 public:
  explicit Cells(pmem::Region& region) : region_(region) {}

  void set_all(std::uint64_t value) {
    for (std::size_t i = 0; i < kCells; ++i) {
      write_u64(region_, kLog + i * kWord, read_u64(region_, i * kLine));
    }
    // One line: what is counted is there.
    write_u64(region_, kCount, kCells);
    region_.flush(kLog, kLine);
    // The old values hold before the first cell changes.
    region_.fence();
    for (std::size_t i = 0; i < kCells; ++i) region_.store_u64(i * kLine, value + i);
    finish();
  }

  Values recover() {
    const std::size_t count = read_u64(region_, kCount);
    if (count != 0) {
      for (std::size_t i = 0; i < count; ++i) {
        region_.store_u64(i * kLine, read_u64(region_, kLog + i * kWord));
      }
      finish();
    }
    return {read_u64(region_, 0), read_u64(region_, kLine), read_u64(region_, 2 * kLine)};
  }

 private:
  void finish() {
    // The cells hold before the log is given up.
    region_.fence();
    persist_u64(region_, kCount, 0);
  }

  pmem::Region& region_;
};

}  // namespace

CrashReport undo_log(const CrashTestOptions& options) {
  return CrashTest<Values>(options)
      .run([](SimulatedMachine& machine, CrashRun& run) {
        Cells cells(machine.region());
        run.operation("set to 10", [&] { cells.set_all(10); });
        run.operation("set to 20", [&] { cells.set_all(20); });
      })
      .recover([](SimulatedMachine& machine) -> Result<Values> {
        return Cells(machine.region()).recover();
      })
      .check([](const Values& found, const CrashHistory& history) {
        return check_after("array", found, {{0, 0, 0}, {10, 11, 12}, {20, 21, 22}}, history);
      })
      .explore();
}

}  // namespace nacre::mutants
