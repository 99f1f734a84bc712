// Mutant 20, with files: the manifest records a size larger than what was synced of the log.
//
// The log is synced before its last write, and then the manifest, which is durable at once, counts
// the record: readers go past what is durable.

#include "tests/mutants/file_values.h"
#include "tests/mutants/programs.h"

namespace nacre::mutants {
namespace {

constexpr char kLog[] = "/store/log";
constexpr char kManifest[] = "/store/manifest";

/// Records of a word each; the manifest says how many there are.
class Log {
 public:
  Log(FileSystem& files, Variant variant)
      : log_(open_file(files, kLog)), manifest_(open_file(files, kManifest)), variant_(variant) {}

  void append(std::uint64_t value) {
    if (variant_ == Variant::kMutant) must(log_->sync_data());
    write_values(*log_, count_ * kWord, {value});
    if (variant_ == Variant::kCorrect) must(log_->sync_data());
    ++count_;
    write_values(*manifest_, 0, {count_});
    must(manifest_->sync_data());
  }

 private:
  std::unique_ptr<File> log_;
  std::unique_ptr<File> manifest_;
  Variant variant_;
  std::uint64_t count_ = 0;
};

}  // namespace

CrashReport recorded_past_sync(const CrashTestOptions& options, Variant variant) {
  return CrashTest<Values>(options)
      .setup([](SimulatedMachine& machine) {
        must(machine.file_system().create_directory("/store"));
        open_file(machine.file_system(), kLog);
        open_file(machine.file_system(), kManifest);
      })
      .run([variant](SimulatedMachine& machine, CrashRun& run) {
        Log log(machine.file_system(), variant);
        for (const std::uint64_t value : Values{11, 22, 33}) {
          run.operation("append", [&] { log.append(value); });
        }
      })
      .recover([](SimulatedMachine& machine) -> Result<Values> {
        const Values count = read_values(machine.file_system(), kManifest, 0, 1);
        return read_values(machine.file_system(), kLog, 0, count.front());
      })
      .check([](const Values& found, const CrashHistory& history) {
        return check_prefix("log", found, {11, 22, 33}, history);
      })
      .explore();
}

}  // namespace nacre::mutants
