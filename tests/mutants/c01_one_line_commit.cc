// Correct: a commit ordered only by being in one cache line.
//
// Payload and commit word lie in one line, whose stores persist in order, so that one flush and one
// fence are enough. A tester that permutes stores without regard to lines flags it wrongly.

#include "tests/mutants/programs.h"

namespace nacre::mutants {
namespace {

constexpr std::size_t kPayloadWords = 7;

/// Records of seven words and a word that says that they hold, a line each.
class Records {
 public:
  explicit Records(pmem::Region& region) : region_(region) {}

  void append(std::size_t index, std::uint64_t value) {
    const std::size_t record = index * kLine;
    for (std::size_t i = 0; i < kPayloadWords; ++i) write_u64(region_, record + i * kWord, value);
    write_u64(region_, record + kPayloadWords * kWord, 1);
    region_.flush(record, kLine);
    region_.fence();
  }

  Result<Values> values() {
    Values values;
    for (std::size_t record = 0;; record += kLine) {
      if (read_u64(region_, record + kPayloadWords * kWord) == 0) return values;
      values.push_back(read_u64(region_, record));
      for (std::size_t i = 1; i < kPayloadWords; ++i) {
        if (read_u64(region_, record + i * kWord) != values.back()) {
          return corruption("a record is torn");
        }
      }
    }
  }

 private:
  pmem::Region& region_;
};

}  // namespace

CrashReport one_line_commit(const CrashTestOptions& options) {
  return CrashTest<Values>(options)
      .run([](SimulatedMachine& machine, CrashRun& run) {
        Records records(machine.region());
        for (std::uint64_t i = 0; i < 3; ++i) {
          run.operation("append", [&] { records.append(i, 11 * (i + 1)); });
        }
      })
      .recover([](SimulatedMachine& machine) { return Records(machine.region()).values(); })
      .check([](const Values& found, const CrashHistory& history) {
        return check_prefix("table of records", found, {11, 22, 33}, history);
      })
      .explore();
}

}  // namespace nacre::mutants
