// Mutant 3: the unaligned tail of a store is not flushed.
//
// The loop takes the range for whole lines and flushes one for each 64 bytes, but a range that
// begins inside a line reaches into one more. It stands for PMDK's 05130a5f5, where the head and
// tail of an unaligned copy stayed in the cache.

#include <cstring>

#include "tests/mutants/programs.h"

namespace nacre::mutants {
namespace {

constexpr std::size_t kRecordWords = 8;
constexpr std::size_t kRecordBytes = kRecordWords * kWord;

/// Records of 64 bytes that begin 40 bytes into a line; line 0 counts them.
class Table {
 public:
  Table(pmem::Region& region, Variant variant) : region_(region), variant_(variant) {}

  void append(std::uint64_t value) {
    const std::uint64_t count = read_u64(region_, 0);
    const std::size_t begin = offset_of(count);
    for (std::size_t i = 0; i < kRecordWords; ++i) write_u64(region_, begin + i * kWord, value);
    if (variant_ == Variant::kCorrect) {
      region_.flush(begin, kRecordBytes);
    } else {
      for (std::size_t done = 0; done < kRecordBytes; done += kLine) region_.flush(begin + done, 1);
    }
    // The record holds before it is counted.
    region_.fence();
    persist_u64(region_, 0, count + 1);
  }

  Result<Values> values() {
    Values values;
    const std::uint64_t count = read_u64(region_, 0);
    for (std::uint64_t i = 0; i < count; ++i) {
      values.push_back(read_u64(region_, offset_of(i)));
      for (std::size_t word = 1; word < kRecordWords; ++word) {
        if (read_u64(region_, offset_of(i) + word * kWord) != values.back()) {
          return corruption("a record lacks its tail");
        }
      }
    }
    return values;
  }

 private:
  static std::size_t offset_of(std::uint64_t index) { return kLine + 40 + index * kRecordBytes; }

  pmem::Region& region_;
  Variant variant_;
};

}  // namespace

CrashReport unaligned_tail(const CrashTestOptions& options, Variant variant) {
  return CrashTest<Values>(options)
      .run([variant](SimulatedMachine& machine, CrashRun& run) {
        Table table(machine.region(), variant);
        for (const std::uint64_t value : Values{11, 22}) {
          run.operation("append", [&] { table.append(value); });
        }
      })
      .recover([variant](SimulatedMachine& machine) {
        return Table(machine.region(), variant).values();
      })
      .check([](const Values& found, const CrashHistory& history) {
        return check_prefix("table", found, {11, 22}, history);
      })
      .explore();
}

}  // namespace nacre::mutants
