// Mutant 18: a record of several blocks is accepted with its middle missing.
//
// Head and tail carry the record's number, and recovery takes the record for whole when both are
// there; but the blocks between them reach the disk in any order. It stands for formats that prove
// a record by its first and last block.

#include "tests/mutants/programs.h"

namespace nacre::mutants {
namespace {

constexpr std::size_t kPages = 3;
constexpr std::size_t kRecords = 2;

/// Records of three pages: in each the record's number and a value, in the first a checksum too.
class Log {
 public:
  Log(pmem::Region& region, Variant variant) : region_(region), variant_(variant) {}

  void append(std::uint64_t number, std::uint64_t value) {
    const std::size_t begin = begin_of(number);
    for (std::size_t page = 0; page < kPages; ++page) {
      write_u64(region_, begin + page * kPage, number);
      write_u64(region_, begin + page * kPage + kWord, value);
    }
    write_u64(region_, begin + 2 * kWord, checksum_of(words_of(number)));
    sync_range(region_, begin, begin + kPages * kPage);
  }

  /// The values, one for each page.
  Values values() {
    Values values;
    for (std::uint64_t number = 1; number <= kRecords && is_whole(number); ++number) {
      const Values words = words_of(number);
      for (std::size_t page = 0; page < kPages; ++page) values.push_back(words[2 * page + 1]);
    }
    return values;
  }

 private:
  static std::size_t begin_of(std::uint64_t number) { return (number - 1) * kPages * kPage; }

  Values words_of(std::uint64_t number) {
    Values words;
    for (std::size_t page = 0; page < kPages; ++page) {
      const std::size_t at = begin_of(number) + page * kPage;
      words.push_back(read_u64(region_, at));
      words.push_back(read_u64(region_, at + kWord));
    }
    return words;
  }
  bool is_whole(std::uint64_t number) {
    const Values words = words_of(number);
    if (variant_ == Variant::kCorrect) {
      return read_u64(region_, begin_of(number) + 2 * kWord) == checksum_of(words);
    }
    return words.front() == number && words[2 * (kPages - 1)] == number;
  }

  pmem::Region& region_;
  Variant variant_;
};

}  // namespace

CrashReport middle_missing(const CrashTestOptions& options, Variant variant) {
  return CrashTest<Values>(options)
      .run([variant](SimulatedMachine& machine, CrashRun& run) {
        Log log(machine.region(), variant);
        run.operation("append 1", [&] { log.append(1, 11); });
        run.operation("append 2", [&] { log.append(2, 22); });
      })
      .recover([variant](SimulatedMachine& machine) -> Result<Values> {
        return Log(machine.region(), variant).values();
      })
      .check([](const Values& found, const CrashHistory& history) {
        return check_after("log", found, {{}, {11, 11, 11}, {11, 11, 11, 22, 22, 22}}, history);
      })
      .explore();
}

}  // namespace nacre::mutants
