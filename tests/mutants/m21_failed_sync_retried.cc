// Mutant 21: a sync that failed is tried again, and its success believed.
//
// After a failed write-back the kernel takes the pages for clean, and the next sync has nothing
// left to do: it succeeds, and the data are gone. It stands for PostgreSQL's handling of fsync
// until 2018 (Rebello et al., "Can Applications Recover from fsync Failures?", USENIX ATC 2020).

#include "nacre/emulation/fault_file_system.h"
#include "tests/mutants/file_values.h"
#include "tests/mutants/programs.h"

namespace nacre::mutants {
namespace {

constexpr char kLog[] = "/log";
constexpr std::size_t kRecords = 3;

/// Records that are not 0, one behind the other.
class Log {
 public:
  Log(FileSystem& files, Variant variant) : file_(open_file(files, kLog)), variant_(variant) {}

  /// What was not acknowledged may be there or not; after a failure nothing more is taken.
  Status append(std::uint64_t record) {
    if (!failure_) return failure_;
    write_values(*file_, count_ * kWord, {record});
    failure_ = file_->sync_data();
    if (!failure_ && variant_ == Variant::kMutant) failure_ = file_->sync_data();
    if (failure_) ++count_;
    return failure_;
  }

 private:
  std::unique_ptr<File> file_;
  Variant variant_;
  std::size_t count_ = 0;
  Status failure_;
};

}  // namespace

CrashReport failed_sync_retried(const CrashTestOptions& options, Variant variant) {
  return CrashTest<Values>(options)
      .setup([](SimulatedMachine& machine) {
        const std::unique_ptr<File> log = open_file(machine.file_system(), kLog);
        write_values(*log, 0, Values(kRecords));
        must(log->sync());
        must(machine.file_system().sync_directory("/"));
      })
      .run([variant](SimulatedMachine& machine, CrashRun& run) {
        FaultFileSystem files(machine.file_system());
        files.plan().add({.operation = FileOperation::kSyncData,
                          .effect = FaultEffect::kLostUnsynced,
                          .nth = 2});
        Log log(files, variant);
        for (const std::uint64_t record : Values{11, 22, 33}) {
          const std::size_t append = run.begin("append");
          if (log.append(record)) run.end(append);
        }
      })
      .recover([](SimulatedMachine& machine) -> Result<Values> {
        Values records = read_values(machine.file_system(), kLog, 0, kRecords);
        while (!records.empty() && records.back() == 0) records.pop_back();
        return records;
      })
      .check([](const Values& found, const CrashHistory& history) {
        return check_prefix("log", found, {11, 22, 33}, history);
      })
      .explore();
}

}  // namespace nacre::mutants
