// Mutant 9: a fault that only a log with an extension has.
//
// Up to four entries stand in the log itself and are flushed as one piece; those behind stand in an
// extension elsewhere, which the flush, counting on, does not reach. Small transactions are right
// for ever. PMDK had this kind twice: actions past the 64th of a log (7b1aa3f4a), and the chained
// parts of a large undo log (8fcd435f3).

#include <algorithm>

#include "tests/mutants/programs.h"

namespace nacre::mutants {
namespace {

constexpr std::size_t kCells = 6;
constexpr std::size_t kInLog = 4;
constexpr std::size_t kCellsAt = kLine;
constexpr std::size_t kLogAt = 2 * kLine;
constexpr std::size_t kExtensionAt = 16 * kLine;

/// Cells in one line, the first so many of them set by a transaction with a redo log of pairs. The
/// word at 0 counts the entries that hold.
class Cells {
 public:
  Cells(pmem::Region& region, Variant variant) : region_(region), variant_(variant) {}

  void set_first(std::size_t count, std::uint64_t value) {
    for (std::size_t i = 0; i < count; ++i) {
      write_u64(region_, entry_at(i), i);
      write_u64(region_, entry_at(i) + kWord, value);
    }
    if (variant_ == Variant::kMutant) {
      region_.flush(kLogAt, count * kEntryBytes);
    } else {
      region_.flush(kLogAt, std::min(count, kInLog) * kEntryBytes);
      if (count > kInLog) region_.flush(kExtensionAt, (count - kInLog) * kEntryBytes);
    }
    // The entries hold before they are counted.
    region_.fence();
    persist_u64(region_, 0, count);
    apply(count);
  }

  Values recover() {
    const std::size_t count = read_u64(region_, 0);
    if (count != 0) apply(count);
    Values values;
    for (std::size_t i = 0; i < kCells; ++i) {
      values.push_back(read_u64(region_, kCellsAt + i * kWord));
    }
    return values;
  }

 private:
  static constexpr std::size_t kEntryBytes = 2 * kWord;

  static std::size_t entry_at(std::size_t index) {
    return index < kInLog ? kLogAt + index * kEntryBytes
                          : kExtensionAt + (index - kInLog) * kEntryBytes;
  }
  void apply(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t cell = read_u64(region_, entry_at(i)) % kCells;
      region_.store_u64(kCellsAt + cell * kWord, read_u64(region_, entry_at(i) + kWord));
    }
    // The cells hold before the log is given up.
    region_.fence();
    persist_u64(region_, 0, 0);
  }

  pmem::Region& region_;
  Variant variant_;
};

}  // namespace

CrashReport past_log_extension(const CrashTestOptions& options, Variant variant) {
  return CrashTest<Values>(options)
      .run([variant](SimulatedMachine& machine, CrashRun& run) {
        Cells cells(machine.region(), variant);
        run.operation("small transaction", [&] { cells.set_first(2, 11); });
        run.operation("large transaction", [&] { cells.set_first(6, 22); });
      })
      .recover([variant](SimulatedMachine& machine) -> Result<Values> {
        return Cells(machine.region(), variant).recover();
      })
      .check([](const Values& found, const CrashHistory& history) {
        return check_after("array", found,
                           {{0, 0, 0, 0, 0, 0}, {11, 11, 0, 0, 0, 0}, {22, 22, 22, 22, 22, 22}},
                           history);
      })
      .explore();
}

}  // namespace nacre::mutants
