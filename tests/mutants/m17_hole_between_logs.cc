// Mutant 17: the old log is not synced and the new one is, which leaves a hole.
//
// A sync covers the log that is written to, and forgets the one before it, whose tail was never
// synced; after a crash records are missing in the middle. It stands for a WAL's rotation, here
// with two mapped logs of a page each.

#include "tests/mutants/programs.h"

namespace nacre::mutants {
namespace {

/// Records that are not 0, two to a log; a log is a page, in the order of the pages.
class Logs {
 public:
  Logs(pmem::Region& region, Variant variant) : region_(region), variant_(variant) {}

  void append(std::uint64_t record) {
    const bool begins_log = count_ > 0 && count_ % kRecordsInLog == 0;
    // The old log holds before there is anything in the new one.
    if (begins_log && variant_ == Variant::kCorrect) sync();
    write_u64(region_, record_at(count_), record);
    ++count_;
  }
  /// Of the log that is written to.
  void sync() {
    const std::size_t log = (count_ - 1) / kRecordsInLog;
    sync_range(region_, log * kPage, (log + 1) * kPage);
  }

  Values records() {
    Values records;
    for (std::size_t i = 0; i < 2 * kRecordsInLog; ++i) {
      const std::uint64_t record = read_u64(region_, record_at(i));
      if (record != 0) records.push_back(record);
    }
    return records;
  }

 private:
  static constexpr std::size_t kRecordsInLog = 2;
  static std::size_t record_at(std::size_t index) {
    return index / kRecordsInLog * kPage + index % kRecordsInLog * kWord;
  }

  pmem::Region& region_;
  Variant variant_;
  std::size_t count_ = 0;
};

}  // namespace

CrashReport hole_between_logs(const CrashTestOptions& options, Variant variant) {
  return CrashTest<Values>(options)
      .run([variant](SimulatedMachine& machine, CrashRun& run) {
        Logs logs(machine.region(), variant);
        for (const std::uint64_t record : Values{11, 22, 33}) {
          run.operation("append", [&] { logs.append(record); });
        }
        logs.sync();
        run.promise_durable(3);
      })
      .recover([variant](SimulatedMachine& machine) -> Result<Values> {
        return Logs(machine.region(), variant).records();
      })
      .check([](const Values& found, const CrashHistory& history) {
        return check_buffered("log", found, {11, 22, 33}, history);
      })
      .explore();
}

}  // namespace nacre::mutants
