#pragma once

// Tries every state that a crash may leave of a workload, and checks what recovery makes of it.
//
//   const CrashReport report =
//       CrashTest<std::vector<int>>({.machine = {.model = CrashModel::cache_line()}})
//           .setup([](SimulatedMachine& machine) { List::format(machine.region()); })
//           .run([](SimulatedMachine& machine, CrashRun& run) {
//             List list(machine.region());
//             run.operation("push 1", [&] { list.push(1); });
//           })
//           .recover([](SimulatedMachine& machine) -> Result<std::vector<int>> {
//             return List(machine.region()).values();
//           })
//           .check([](const std::vector<int>& values, const CrashHistory& history) {
//             return is_prefix(values, history) ? Status() : Error(...);
//           })
//           .explore();
//   EXPECT_TRUE(report.passed()) << report.to_string();
//
// The workload runs once. At each moment worth a crash, recovery runs on a machine of its own; the
// bytes that the crash left open are decided when recovery first reads them, in turn in every way
// (Gorjiara, Xu, Demsky, "Jaaru", ASPLOS 2021). docs/crash_testing.md is the guide.
//
// Thread safety: none.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "nacre/emulation/crash_history.h"
#include "nacre/emulation/crash_report.h"
#include "nacre/emulation/simulated_machine.h"
#include "nacre/result.h"

namespace nacre {

struct CrashTestOptions {
  SimulatedMachineOptions machine = {};
  std::uint64_t seed = 1;
  /// Recoveries to run at most; past that the verdict is BOUNDED.
  std::uint64_t max_states = 1'000'000;
  /// Seconds to spend at most. 0: no limit.
  double max_seconds = 0;
  /// Crashes in a row: 2 also crashes in recovery, 1 does not. Less than 64, and
  /// than 63 with `process_kills`.
  std::size_t depth = 2;
  /// Also kills the process, before each step of the workload that changes what is visible.
  /// Recovery then runs on all that the process could see, durable or not, and the power is cut in
  /// that recovery and behind it: what is not durable until then may be lost yet. From a `depth` of
  /// 2 on a recovery from the workload's crash that stores is killed as well, and the power cut in
  /// the one behind it; that kill is not counted in `depth`. Costs about as many recoveries as the
  /// workload and its recovery have stores, and the crashes of each.
  bool process_kills = false;
  /// With `process_kills`: false kills the workload alone, for a recovery of so many stores that
  /// killing it takes too long.
  bool kill_recovery = true;
  /// Failures after which it stops.
  std::size_t max_failures = 1;
  /// Of a workload with threads (CrashRun::threads): how many orders of their turns are tried, each
  /// of them with a share of the budget. The verdict is BOUNDED, since there are others.
  std::size_t schedules = 20;
  /// In each, how often a thread is interrupted that could have gone on, at most.
  std::size_t preemptions = 2;
  /// A recovery that takes longer is a hang. In processor time, that of the kernel included; at
  /// least 0.001.
  double recovery_seconds = 10;
  /// So is one that takes longer by the clock, since it waits for something that does not come.
  /// 0: the larger of 60 and 20 times `recovery_seconds`. Not with `in_process`.
  double stuck_seconds = 0;
  /// Processes that share the crash points out, at most 1024; 0: one for each processor. Each runs
  /// the workload, which must do the same in all of them. More than 1 not with `in_process`.
  std::size_t jobs = 1;
  /// Each state in the calling process, where a debugger sees it, rather than in a child that may
  /// die or hang. A program under test that calls exit ends the process then, with status 1 and a
  /// word on the standard error; one that calls _exit ends it unseen.
  bool in_process = false;
  /// Each state in a process of its own, for a recovery that leaves something behind in its
  /// process. Some thousands of states a second. Not together with `in_process`.
  bool fork_each_state = false;
  /// After recovery and check, recovery runs once more: it must find the same and store nothing.
  /// Beside that the first 8 states and one in 64 of the others are run again from the beginning,
  /// and must read, find and pass the same: a sample, which `seed` chooses. What is found is not
  /// compared with `fork_each_state`.
  bool recover_twice = true;
  /// Also describes what the workload did and what was tried at each crash point, for the report as
  /// a page. Costs some tens of milliseconds.
  bool timeline = false;
  /// Notes in `CrashReport::ordering_sites` where the program makes things durable; needs
  /// `in_process`.
  bool note_sites = false;
  /// One of these: `mutation` is done to it, also in recovery. A test that passes all the same does
  /// not need that place, or does not look for it.
  const void* mutated_site = nullptr;
  CrashMutation mutation = CrashMutation::kDrop;
  /// A CrashFailure's `reproduction`: that state alone.
  std::string reproduce = {};
};

/// A CrashTest without its type of state. For CrashTest.
struct CrashProgram {
  using State = std::shared_ptr<const void>;
  std::function<void(SimulatedMachine&)> setup;
  std::function<void(SimulatedMachine&, CrashRun&)> run;
  std::function<Result<State>(SimulatedMachine&)> recover;
  std::function<Status(const State&, const CrashHistory&)> check;
  /// May be empty.
  std::function<Status(SimulatedMachine&)> use;
  std::function<bool(const State&, const State&)> equal;
};

/// A program without a workload, recovery or check, and options that contradict each other, are
/// INCONCLUSIVE, with the reason.
CrashReport explore_crashes(const CrashProgram& program, const CrashTestOptions& options);

/// `State` is what recovery finds: a value that can be compared.
template <class State>
class CrashTest {
 public:
  explicit CrashTest(CrashTestOptions options = {}) : options_(std::move(options)) {
    program_.equal = [](const CrashProgram::State& one, const CrashProgram::State& other) {
      return *static_cast<const State*>(one.get()) == *static_cast<const State*>(other.get());
    };
  }

  /// Everything it leaves is durable. May be left out.
  CrashTest& setup(std::function<void(SimulatedMachine&)> setup) {
    program_.setup = std::move(setup);
    return *this;
  }
  /// The workload, which says by `run.operation` what it does. It must do the same each time.
  CrashTest& run(std::function<void(SimulatedMachine&, CrashRun&)> run) {
    program_.run = std::move(run);
    return *this;
  }
  /// Opens the structure on what the crash has left. An error fails the state.
  CrashTest& recover(std::function<Result<State>(SimulatedMachine&)> recover) {
    program_.recover = nullptr;
    if (!recover) return *this;
    program_.recover =
        [recover = std::move(recover)](SimulatedMachine& machine) -> Result<CrashProgram::State> {
      Result<State> state = recover(machine);
      if (!state) return std::move(state).error();
      return CrashProgram::State(std::make_shared<const State>(*std::move(state)));
    };
    return *this;
  }
  /// Whether `history` allows what was recovered; the error says why not.
  CrashTest& check(std::function<Status(const State&, const CrashHistory&)> check) {
    program_.check = nullptr;
    if (!check) return *this;
    program_.check = [check = std::move(check)](const CrashProgram::State& state,
                                                const CrashHistory& history) {
      return check(*static_cast<const State*>(state.get()), history);
    };
    return *this;
  }
  /// Uses the recovered structure: writes, closes, opens again. May be left out.
  CrashTest& use(std::function<Status(SimulatedMachine&)> use) {
    program_.use = std::move(use);
    return *this;
  }

  CrashReport explore() const { return explore_crashes(program_, options_); }

 private:
  CrashTestOptions options_;
  CrashProgram program_;
};

}  // namespace nacre
