// Mutant 17, with files: the old log file is not synced and the next one is, which leaves a hole.
//
// A sync covers the file that is written to, and forgets the one before it, whose last records were
// never synced. It stands for a WAL that rotates by file.

#include <array>

#include "tests/mutants/file_values.h"
#include "tests/mutants/programs.h"

namespace nacre::mutants {
namespace {

constexpr std::array<const char*, 2> kFiles = {"/log/1", "/log/2"};
constexpr std::size_t kRecordsInFile = 2;

/// Records that are not 0, two to a file.
class Logs {
 public:
  Logs(FileSystem& files, Variant variant) : variant_(variant) {
    for (std::size_t i = 0; i < kFiles.size(); ++i) files_[i] = open_file(files, kFiles[i]);
  }

  void append(std::uint64_t record) {
    const bool begins_file = count_ > 0 && count_ % kRecordsInFile == 0;
    // The old file holds before there is anything in the next one.
    if (begins_file && variant_ == Variant::kCorrect) sync();
    write_values(*files_[count_ / kRecordsInFile], count_ % kRecordsInFile * kWord, {record});
    ++count_;
  }
  /// Of the file that is written to.
  void sync() { must(files_[(count_ - 1) / kRecordsInFile]->sync_data()); }

 private:
  Variant variant_;
  std::array<std::unique_ptr<File>, kFiles.size()> files_;
  std::size_t count_ = 0;
};

Values records(FileSystem& files) {
  Values records;
  for (const char* const file : kFiles) {
    for (const std::uint64_t record : read_values(files, file, 0, kRecordsInFile)) {
      if (record != 0) records.push_back(record);
    }
  }
  return records;
}

}  // namespace

CrashReport hole_between_files(const CrashTestOptions& options, Variant variant) {
  return CrashTest<Values>(options)
      .setup([](SimulatedMachine& machine) {
        must(machine.file_system().create_directory("/log"));
        for (const char* const file : kFiles) open_file(machine.file_system(), file);
      })
      .run([variant](SimulatedMachine& machine, CrashRun& run) {
        Logs logs(machine.file_system(), variant);
        for (const std::uint64_t record : Values{11, 22, 33}) {
          run.operation("append", [&] { logs.append(record); });
        }
        logs.sync();
        run.promise_durable(3);
      })
      .recover([](SimulatedMachine& machine) -> Result<Values> {
        return records(machine.file_system());
      })
      .check([](const Values& found, const CrashHistory& history) {
        return check_buffered("log", found, {11, 22, 33}, history);
      })
      .explore();
}

}  // namespace nacre::mutants
