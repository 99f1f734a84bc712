// Correct: copy on write, and one word that swaps the pointer.

#include "tests/mutants/programs.h"

namespace nacre::mutants {
namespace {

constexpr std::size_t kCells = 12;
constexpr std::size_t kVersionBytes = 2 * kLine;

/// An array of twelve cells that spans two lines. It is copied to change one; line 0 leads to the
/// version that counts.
class Array {
 public:
  explicit Array(pmem::Region& region) : region_(region) {}

  void set(std::size_t cell, std::uint64_t value) {
    Values changed = values();
    changed[cell] = value;
    const std::size_t spare = current() == kLine ? kLine + kVersionBytes : kLine;
    for (std::size_t i = 0; i < kCells; ++i) write_u64(region_, spare + i * kWord, changed[i]);
    region_.flush(spare, kVersionBytes);
    // The copy holds before anything leads to it.
    region_.fence();
    persist_u64(region_, 0, spare);
  }

  Values values() {
    Values values(kCells);
    if (current() == 0) return values;
    for (std::size_t i = 0; i < kCells; ++i) {
      values[i] = read_u64(region_, current() + i * kWord);
    }
    return values;
  }

 private:
  std::size_t current() { return read_u64(region_, 0); }

  pmem::Region& region_;
};

}  // namespace

CrashReport pointer_swap(const CrashTestOptions& options) {
  return CrashTest<Values>(options)
      .run([](SimulatedMachine& machine, CrashRun& run) {
        Array array(machine.region());
        run.operation("set the first", [&] { array.set(0, 11); });
        run.operation("set the last", [&] { array.set(kCells - 1, 22); });
        run.operation("set the first again", [&] { array.set(0, 33); });
      })
      .recover([](SimulatedMachine& machine) -> Result<Values> {
        return Array(machine.region()).values();
      })
      .check([](const Values& found, const CrashHistory& history) {
        std::vector<Values> after(4, Values(kCells));
        after[1][0] = after[2][0] = 11;
        after[2][kCells - 1] = after[3][kCells - 1] = 22;
        after[3][0] = 33;
        return check_after("array", found, after, history);
      })
      .explore();
}

}  // namespace nacre::mutants
