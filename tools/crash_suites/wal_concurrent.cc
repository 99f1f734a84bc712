#include <fmt/format.h>

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "lib/base/try.h"
#include "nacre/emulation/durable_linearizability.h"
#include "nacre/wal.h"
#include "tools/crash_suites/structure_suites.h"
#include "tools/crash_suites/wal_workload.h"
#include "tools/crash_suites/workload.h"

namespace nacre::tools {
namespace {

constexpr std::size_t kWriters = 3;
constexpr std::size_t kAppends = 2;

/// What a log is, call by call.
struct RecordList {
  std::vector<std::string> records = {};
  void apply(const std::string& record) { records.push_back(record); }
  friend bool operator==(const RecordList&, const RecordList&) = default;
};

std::string to_string(const RecordList& list) {
  return fmt::format("[{}]", fmt::join(list.records, ", "));
}

/// A lane that several threads append to: it takes one record at a time, and while one thread waits
/// for the device the others add theirs to the next commit.
class SharedLane {
 public:
  explicit SharedLane(Lane lane) : lane_(lane) {}

  void append(const std::string& record) {
    std::unique_lock submitting(submit_);
    const Lsn lsn = require(lane_.submit(as_bytes(record)));
    submitting.unlock();
    // The executor of a simulated machine is driven by one thread at a time.
    const std::scoped_lock driving(drive_);
    require(lane_.wait(lsn));
  }

 private:
  Lane lane_;
  std::mutex submit_;
  std::mutex drive_;
};

}  // namespace

CrashReport explore_wal_concurrent(const SuiteModel& model, CrashTestOptions options) {
  auto wal = std::make_shared<std::optional<Wal>>();
  CrashCalls<std::string> calls;
  return CrashTest<RecordList>(suite_options(model, std::move(options)))
      .setup([=, &model](SimulatedMachine& machine) {
        wal->emplace(require(open_suite_wal(machine, model, 1)));
      })
      .run([=, &calls](SimulatedMachine&, CrashRun& run) {
        calls.clear();
        SharedLane lane((*wal)->lane(0));
        std::vector<std::function<void()>> writers;
        for (std::size_t writer = 0; writer < kWriters; ++writer) {
          writers.emplace_back([&, writer] {
            for (std::size_t i = 0; i < kAppends; ++i) {
              const std::string record = fmt::format("{} of writer {}", i + 1, writer + 1);
              calls.perform(run, record, record, [&] { lane.append(record); });
            }
          });
        }
        run.threads(writers);
        run.operation("close", [&] { wal->reset(); });
      })
      .recover([&model](SimulatedMachine& machine) -> Result<RecordList> {
        return RecordList{NACRE_TRY(read_records(machine, model, 1))};
      })
      .check([&](const RecordList& found, const CrashHistory& history) {
        return durably_linearizable(RecordList(), calls.all(), history, found);
      })
      .use([&model](SimulatedMachine& machine) {
        return append_one_more(machine, model, 1, "one more");
      })
      .explore();
}

}  // namespace nacre::tools
