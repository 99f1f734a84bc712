// Mutant 7: the entries of a finished transaction are undone by the next abort.
//
// Commit takes back only the first entry of the undo log, and recovery takes entries until it meets
// an empty one: a later, shorter transaction that is aborted undoes the tail of the earlier one as
// well. It stands for PMDK's 8fcd435f3 (1.12.1), where logs with leftovers of a large transaction
// were not cleaned up.

#include "tests/mutants/programs.h"

namespace nacre::mutants {
namespace {

/// Three cells, a line each, changed by transactions. An entry of the undo log is a line: the old
/// value, then a key that says which cell and which transaction, and that the entry holds.
class Cells {
 public:
  Cells(pmem::Region& region, Variant variant) : region_(region), variant_(variant) {}

  void begin() {
    ++transaction_;
    entries_ = 0;
  }
  void set(std::size_t cell, std::uint64_t value) {
    const std::size_t entry = kLog + entries_ * kLine;
    write_u64(region_, entry, read_u64(region_, cell * kLine));
    write_u64(region_, entry + kWord, transaction_ << 8 | (cell + 1));
    region_.flush(entry, kLine);
    // The entry holds before the cell changes.
    region_.fence();
    ++entries_;
    region_.store_u64(cell * kLine, value);
  }
  void commit() {
    // The cells hold before they cannot be undone any more.
    region_.fence();
    persist_u64(region_, kLog + kWord, 0);
  }

  Values recover() {
    const std::uint64_t transaction = read_u64(region_, kLog + kWord) >> 8;
    for (std::size_t entry = kLog; transaction != 0; entry += kLine) {
      const std::uint64_t key = read_u64(region_, entry + kWord);
      if (key == 0 || (variant_ == Variant::kCorrect && key >> 8 != transaction)) break;
      region_.store_u64(((key & 0xff) - 1) * kLine, read_u64(region_, entry));
    }
    if (transaction != 0) commit();
    return {read_u64(region_, 0), read_u64(region_, kLine), read_u64(region_, 2 * kLine)};
  }

 private:
  static constexpr std::size_t kLog = 4 * kLine;

  pmem::Region& region_;
  Variant variant_;
  std::uint64_t transaction_ = 0;
  std::size_t entries_ = 0;
};

}  // namespace

CrashReport stale_undo(const CrashTestOptions& options, Variant variant) {
  return CrashTest<Values>(options)
      .run([variant](SimulatedMachine& machine, CrashRun& run) {
        Cells cells(machine.region(), variant);
        run.operation("set both", [&] {
          cells.begin();
          cells.set(0, 11);
          cells.set(1, 22);
          cells.commit();
        });
        run.operation("set one", [&] {
          cells.begin();
          cells.set(2, 33);
          cells.commit();
        });
      })
      .recover([variant](SimulatedMachine& machine) -> Result<Values> {
        return Cells(machine.region(), variant).recover();
      })
      .check([](const Values& found, const CrashHistory& history) {
        return check_after("array", found, {{0, 0, 0}, {11, 22, 0}, {11, 22, 33}}, history);
      })
      .explore();
}

}  // namespace nacre::mutants
