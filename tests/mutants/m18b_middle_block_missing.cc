// Mutant 18, with a file: a record of several blocks is accepted with its middle block missing.
//
// One write carries the whole record, and the device takes its blocks in any order. Head and tail
// carry the record's number, and recovery takes the record for whole when both are there.

#include "tests/mutants/file_values.h"
#include "tests/mutants/programs.h"

namespace nacre::mutants {
namespace {

constexpr char kFile[] = "/log";
constexpr std::size_t kBlocks = 3;
constexpr std::size_t kRecords = 2;
constexpr std::size_t kBlockWords = kPage / kWord;

std::uint64_t begin_of(std::uint64_t number) { return (number - 1) * kBlocks * kPage; }

/// Number and value of each block.
Values words_of(const Values& record) {
  Values words;
  for (std::size_t block = 0; block < kBlocks; ++block) {
    words.push_back(record[block * kBlockWords]);
    words.push_back(record[block * kBlockWords + 1]);
  }
  return words;
}

/// A record has its number and a value in each block, and in the first a checksum of all too.
void append(FileSystem& files, std::uint64_t number, std::uint64_t value) {
  Values record(kBlocks * kBlockWords);
  for (std::size_t block = 0; block < kBlocks; ++block) {
    record[block * kBlockWords] = number;
    record[block * kBlockWords + 1] = value;
  }
  record[2] = checksum_of(words_of(record));
  const std::unique_ptr<File> file = open_file(files, kFile);
  write_values(*file, begin_of(number), record);
  must(file->sync_data());
}

bool is_whole(const Values& record, std::uint64_t number, Variant variant) {
  if (variant == Variant::kCorrect) return record[2] == checksum_of(words_of(record));
  return record[0] == number && record[(kBlocks - 1) * kBlockWords] == number;
}

/// The values, one for each block.
Values values(FileSystem& files, Variant variant) {
  Values values;
  for (std::uint64_t number = 1; number <= kRecords; ++number) {
    const Values record = read_values(files, kFile, begin_of(number), kBlocks * kBlockWords);
    if (!is_whole(record, number, variant)) break;
    for (std::size_t block = 0; block < kBlocks; ++block) {
      values.push_back(record[block * kBlockWords + 1]);
    }
  }
  return values;
}

}  // namespace

CrashReport middle_block_missing(const CrashTestOptions& options, Variant variant) {
  return CrashTest<Values>(options)
      .setup([](SimulatedMachine& machine) { open_file(machine.file_system(), kFile); })
      .run([](SimulatedMachine& machine, CrashRun& run) {
        run.operation("append 1", [&] { append(machine.file_system(), 1, 11); });
        run.operation("append 2", [&] { append(machine.file_system(), 2, 22); });
      })
      .recover([variant](SimulatedMachine& machine) -> Result<Values> {
        return values(machine.file_system(), variant);
      })
      .check([](const Values& found, const CrashHistory& history) {
        return check_after("log", found, {{}, {11, 11, 11}, {11, 11, 11, 22, 22, 22}}, history);
      })
      .explore();
}

}  // namespace nacre::mutants
