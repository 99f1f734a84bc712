#include "tools/crash_suites/store_script.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>
#include <utility>

#include "lib/base/try.h"
#include "nacre/clock.h"
#include "nacre/store.h"
#include "tools/crash_suites/store_workload.h"
#include "tools/crash_suites/wal_workload.h"
#include "tools/crash_suites/workload.h"

namespace nacre::tools {
namespace {

using Kind = StoreStep::Kind;
using Visible = StoreContents::Visible;

Result<Store> open_at(SimulatedMachine& machine, const SuiteModel& model, Clock& clock,
                      const std::filesystem::path& directory = "/store") {
  Environment environment = model.environment(machine);
  environment.clock = &clock;
  return open_suite_store(environment, 1, directory);
}

/// False where a crash has left none.
Result<bool> is_there(SimulatedMachine& machine, const std::filesystem::path& directory) {
  const auto found = machine.file_system().stat(directory);
  if (!found && found.error().code() == ErrorCode::kNotFound) return false;
  return found ? Result<bool>(true) : found.error();
}

/// The store and the hour, of one run.
struct OpenStore {
  ManualClock clock;
  std::optional<Store> store;  // Goes before its clock.

  void open(SimulatedMachine& machine, const SuiteModel& model) {
    store.reset();
    store.emplace(require(open_at(machine, model, clock)));
  }
  void take(SimulatedMachine& machine, const SuiteModel& model, const StoreStep& step) {
    if (step.kind == Kind::kReopen) {
      open(machine, model);
    } else if (step.kind == Kind::kPassTime) {
      clock.advance_ns(StoreStep::kBriefMs * 1'000'000);
    } else {
      require(tools::take(*store, step));
    }
  }
};

/// Recovery on a machine whose clock says that all the time of a script has passed.
class Recovery {
 public:
  explicit Recovery(const StoreScript& script)
      : end_ms_(time_of(script)),
        copies_(std::ranges::count(script.run, Kind::kCheckpoint, &StoreStep::kind) > 0) {
    clock_.advance_ns(end_ms_ * 1'000'000);
  }

  std::uint64_t end_ms() const { return end_ms_; }
  Result<Store> open(SimulatedMachine& machine, const SuiteModel& model) const {
    return open_at(machine, model, clock_);
  }
  Result<Visible> read(SimulatedMachine& machine, const SuiteModel& model) const {
    Visible found = NACRE_TRY(read_store(machine, model));
    if (copies_ && NACRE_TRY(is_there(machine, kCopyDirectory))) {
      const Store copy = NACRE_TRY(open_at(machine, model, clock_, kCopyDirectory));
      for (auto& [name, content] : NACRE_TRY(contents_of(copy)).visible()) {
        found[name_in_copy(name)] = content;
      }
    }
    machine.mark_answered();
    return found;
  }

 private:
  Result<Visible> read_store(SimulatedMachine& machine, const SuiteModel& model) const {
    const Store store = NACRE_TRY(open(machine, model));
    return NACRE_TRY(contents_of(store)).visible();
  }
  static std::uint64_t time_of(const StoreScript& script) {
    std::uint64_t time_ms = 0;
    for (const auto* steps : {&script.setup, &script.run}) {
      const auto passed = std::ranges::count(*steps, Kind::kPassTime, &StoreStep::kind);
      time_ms += static_cast<std::uint64_t>(passed) * StoreStep::kBriefMs;
    }
    return time_ms;
  }

  const std::uint64_t end_ms_;
  const bool copies_;
  mutable ManualClock clock_;
};

/// What the store holds after so many of its calls.
Visible after(const StoreScript& script, std::size_t calls, std::uint64_t now_ms) {
  StoreContents contents;
  for (const StoreStep& step : script.setup) contents.apply(step);
  for (std::size_t i = 0; i < calls; ++i) contents.apply(script.run[i]);
  return contents.visible(now_ms);
}

Status check_store(const StoreScript& script, std::uint64_t now_ms, const Visible& found,
                   const CrashHistory& history) {
  // The first operation of a store that is made in the run is to make it.
  const std::size_t first = script.creates ? 1 : 0;
  std::size_t completed = 0;
  std::size_t begun = 0;
  for (std::size_t i = 0; i < script.run.size(); ++i) {
    const OperationState state = history.state(first + i);
    if (state != OperationState::kNotBegun) begun = i + 1;
    if (state == OperationState::kCompleted) completed = i + 1;
  }
  for (std::size_t calls = completed; calls <= begun; ++calls) {
    if (found == after(script, calls, now_ms)) return {};
  }
  return wrong(
      fmt::format("the store holds \"{}\"; after the calls that had returned it held "
                  "\"{}\", and after the one under way \"{}\"",
                  to_string(found), to_string(after(script, completed, now_ms)),
                  to_string(after(script, begun, now_ms))));
}

Status put_one_more(SimulatedMachine& machine, const SuiteModel& model, const Recovery& recovery) {
  Visible expected = NACRE_TRY(recovery.read(machine, model));
  {
    Store store = NACRE_TRY(recovery.open(machine, model));
    NACRE_TRY(store.put(as_bytes("one more"), as_bytes("value")));
    NACRE_TRY(store.flush());
    NACRE_TRY(store.close());
  }
  expected[std::string(kDefaultKeyspace)]["one more"] = "value";
  if (NACRE_TRY(recovery.read(machine, model)) == expected) return {};
  return wrong("a key that was put after recovery is not there, or another one has gone");
}

}  // namespace

CrashReport explore_store_script(const StoreScript& script, const SuiteModel& model,
                                 CrashTestOptions options) {
  auto open = std::make_shared<std::optional<OpenStore>>();
  const Recovery recovery(script);
  return CrashTest<Visible>(suite_options(model, std::move(options)))
      .setup([=, &script, &model](SimulatedMachine& machine) {
        open->emplace();
        if (script.creates) return;
        (*open)->open(machine, model);
        for (const StoreStep& step : script.setup) (*open)->take(machine, model, step);
      })
      .run([=, &script, &model](SimulatedMachine& machine, CrashRun& run) {
        if (script.creates) run.operation("open", [&] { (*open)->open(machine, model); });
        for (const StoreStep& step : script.run) {
          run.operation(step.to_string(), [&] { (*open)->take(machine, model, step); });
        }
        run.operation("close", [&] { (*open)->store.reset(); });
      })
      .recover([&](SimulatedMachine& machine) { return recovery.read(machine, model); })
      .check([&](const Visible& found, const CrashHistory& history) {
        return check_store(script, recovery.end_ms(), found, history);
      })
      .use([&](SimulatedMachine& machine) { return put_one_more(machine, model, recovery); })
      .explore();
}

}  // namespace nacre::tools
