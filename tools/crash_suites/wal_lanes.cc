#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "lib/base/try.h"
#include "nacre/wal.h"
#include "tools/crash_suites/structure_suites.h"
#include "tools/crash_suites/wal_workload.h"
#include "tools/crash_suites/workload.h"

namespace nacre::tools {
namespace {

constexpr std::uint32_t kLanes = 2;

/// Each record is called as the operation that appends it.
void append_in_turn(Wal& wal, CrashRun& run) {
  for (const char* name : {"0, first", "1, first", "0, second"}) {
    const std::uint32_t lane = name[0] == '0' ? 0 : 1;
    run.operation(name, [&] { require(wal.lane(lane).append(as_bytes(name))); });
  }
}

void append_at_once(Wal& wal, Executor& executor, CrashRun& run) {
  std::size_t durable = 0;
  for (std::uint32_t lane = 0; lane < kLanes; ++lane) {
    const std::string name = fmt::format("{}, at once", lane);
    const std::size_t operation = run.begin(name);
    const Lsn lsn = require(wal.lane(lane).submit(as_bytes(name)));
    wal.lane(lane).on_durable(lsn, [&run, &durable, operation](const Status& status) {
      require(status);
      run.end(operation);
      ++durable;
    });
  }
  executor.run_until([&] { return durable == kLanes; });
}

Result<Records> read_merged(SimulatedMachine& machine, const SuiteModel& model) {
  const Wal wal = NACRE_TRY(open_suite_wal(machine, model, kLanes));
  Records records;
  NACRE_TRY(wal.replay([&](std::uint32_t lane, const RecordView& record) -> Status {
    records.emplace_back(as_text(record.payload));
    if (records.back().front() == static_cast<char>('0' + lane)) return {};
    return wrong(fmt::format("'{}' is in lane {}", records.back(), lane));
  }));
  machine.mark_answered();
  return records;
}

Status check(const Records& found, const CrashHistory& history) {
  std::vector<std::size_t> order;
  for (const std::string& record : found) {
    const auto operation = std::ranges::find(history.operations(), record, &CrashOperation::name);
    if (operation == history.operations().end()) return wrong("nobody wrote '" + record + "'");
    order.push_back(static_cast<std::size_t>(operation - history.operations().begin()));
  }
  for (std::size_t i = 0; i < history.operations().size(); ++i) {
    const std::string& name = history.operations()[i].name;
    if (name == "close") continue;
    const std::ptrdiff_t times = std::ranges::count(order, i);
    const OperationState state = history.state(i);
    if (times == 0 && state == OperationState::kCompleted) return wrong("lost: '" + name + "'");
    if (times > 1) return wrong("there twice: '" + name + "'");
    if (times == 1 && state == OperationState::kNotBegun) {
      return wrong("there before it was written: '" + name + "'");
    }
  }
  for (std::size_t later = 1; later < order.size(); ++later) {
    for (std::size_t earlier = 0; earlier < later; ++earlier) {
      if (history.precedes(order[later], order[earlier])) {
        return wrong(fmt::format("'{}' is replayed in front of '{}', which was acknowledged before",
                                 found[earlier], found[later]));
      }
    }
  }
  return {};
}

}  // namespace

CrashReport explore_wal_lanes(const SuiteModel& model, CrashTestOptions options) {
  auto wal = std::make_shared<std::optional<Wal>>();
  return CrashTest<Records>(suite_options(model, std::move(options)))
      .setup([=, &model](SimulatedMachine& machine) {
        wal->emplace(require(open_suite_wal(machine, model, kLanes)));
      })
      .run([=, &model](SimulatedMachine& machine, CrashRun& run) {
        append_in_turn(**wal, run);
        append_at_once(**wal, *model.environment(machine).executor, run);
        run.operation("close", [&] { wal->reset(); });
      })
      .recover([&model](SimulatedMachine& machine) { return read_merged(machine, model); })
      .check(check)
      .use([&model](SimulatedMachine& machine) {
        return append_one_more(machine, model, kLanes, "1, one more");
      })
      .explore();
}

}  // namespace nacre::tools
