#pragma once

// The search over crash points and, at each, over what recovery may find.
//
// Levels: level 0 is the machine the workload runs on; level 1 recovers from its crashes, level 2
// from crashes in the recovery of level 1, and so on. The states of a level are those of what was
// recorded on the level before; where that level recovers from a kill, which has lost nothing, of
// all that was recorded since the last power cut.
//
// Thread safety: none.

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "emulation/explorer/call_site.h"
#include "emulation/explorer/choice_path.h"
#include "emulation/explorer/crash_points.h"
#include "emulation/explorer/progress.h"
#include "emulation/explorer/reproduction.h"
#include "emulation/simulation/granule.h"
#include "nacre/emulation/crash_test.h"
#include "nacre/random.h"

namespace nacre {

class Explorer {
 public:
  using FailureSink = std::function<void(CrashFailure)>;

  /// Lifetime: all outlive this.
  Explorer(const CrashProgram& program, const CrashTestOptions& options, SearchProgress& progress,
           FailureSink on_failure);
  ~Explorer();

  /// Records the workload. Errors: as SimulatedMachine::create.
  Status record();
  /// What was recorded, and every crash point of it, with nothing tried.
  CrashTimeline timeline();
  /// Searches every crash point whose index is `shard` modulo `shards`, from behind `position` on
  /// where one is given.
  void search(std::size_t shard, std::size_t shards, const SearchPosition* position);
  /// Runs the one state that is named, and tells of it when it fails.
  /// Errors: `invalid_argument` (it is not one of this workload's).
  Status reproduce(const Reproduction& reproduction);
  /// Where what was run so far makes things durable.
  std::vector<CrashSite> ordering_sites();
  /// Tells of the state at `position`, which ended the process that ran it.
  void tell_of_death(const SearchPosition& position, std::string message);
  /// What the program under test has ended the process in, and how to get there again.
  std::string exit_text() const;

 private:
  struct Level;
  using Problem = std::optional<std::string>;
  using Chosen = std::map<std::uint32_t, std::uint32_t>;

  using TimePoint = std::chrono::steady_clock::time_point;
  /// Where a crash point has to stop.
  struct Budget {
    std::uint64_t states = 0;  ///< Counted from the beginning of the search.
    TimePoint deadline = TimePoint::max();

    Budget first(std::uint64_t count, std::uint64_t run) const {
      return {std::min(states, run + count), deadline};
    }
  };

  void search_recovery(std::size_t level, const Budget& budget);
  void search_point(std::size_t level, const Budget& budget, const SearchPosition* position);
  void search_representatives(std::size_t level, const Budget& budget);
  /// Every combination from `path` on. False when the budget ends before them: `path` is then the
  /// next one.
  bool search_all(std::size_t level, const Budget& budget, ChoicePath& path);
  /// Runs a state and the crashes of its recovery, and tells of failures.
  void try_state(std::size_t level, Chooser& chooser, const Budget& budget);
  /// `repeats`: runs it a second time, which must be the same.
  void run_and_tell(std::size_t level, Chooser& chooser, const Budget* nested, bool repeats);
  /// The same on level 1, each time in a process of its own.
  void run_isolated(Chooser& chooser, const Budget* nested, bool repeats);
  /// How that process ended; its choices are then those of the level.
  SearchEnd run_in_child(const std::function<bool()>& passes, int& status);
  /// Whether this state is among those that are run twice.
  bool is_sampled();
  /// Runs the last state again: how that was different, or nothing.
  Problem repeat(std::size_t level, const Problem& first);
  Budget share_out(std::size_t points_left) const;
  bool is_spent(const Budget& budget) const;
  bool has_failed() const { return failures_ >= options_.max_failures; }
  std::uint64_t states_run() const;

  /// Setup and run of the program under test.
  Status run_workload(CrashRun& run);
  /// That function of the program under test is called next, on the machine of `level`.
  void enter(ProgramStage stage, std::size_t level) noexcept;
  std::string exception_text(std::string_view what) const;
  /// `nested`: what the crashes of this recovery may cost; null: they are left out.
  Problem run_state(std::size_t level, Chooser& chooser, const Budget* nested);
  /// The same, with the exceptions of the program under test.
  Problem run_program(std::size_t level, Chooser& chooser, const Budget* nested);
  /// For what it does to the media.
  void recover_alone(std::size_t level, Chooser& chooser);
  Result<CrashProgram::State> recover(std::size_t level, Chooser& chooser);
  Problem judge(std::size_t level, const CrashProgram::State& state);
  void note_outcome(Level& level, const CrashProgram::State& state);
  Problem recover_again(std::size_t level, const CrashProgram::State& first);
  /// Stops at the first crash point that `is_it(point)`. False when there is none.
  bool go_to_point(std::size_t level, const std::function<bool(const CrashPoint&)>& is_it);
  /// Whether the recovery of `level` is crashed as well.
  bool may_crash(std::size_t level) const;
  /// The level whose machine the row of processes began on that `level` crashes into.
  std::size_t first_process(std::size_t level) const;
  /// Calls `put(patch)` for what the crashes before `level` have decided of what was there when
  /// that row began.
  void for_each_decided(std::size_t level, const std::function<void(const Patch&)>& put) const;
  /// The crash points of what was recorded on the level before, from the first one on.
  CrashPoints begin_level(std::size_t level);
  void prepare_level(std::size_t level);
  /// What a process has left that was killed there.
  void show_what_was_visible(std::size_t level);
  void open_state(std::size_t level, const CrashPoints& points, const CrashPoint& point);

  void fail(std::size_t level, std::vector<Choice> choices, std::string message);
  /// What cannot be run again to be made small: of the choices the last run made.
  void tell_as_it_is(std::size_t level, std::string message);
  /// Fewer and fewer granules, as long as the state fails.
  Reproduction::Crash shrink(std::size_t level, const std::vector<Choice>& choices);
  Reproduction::Crash shrink_towards(std::size_t level, const std::vector<Choice>& choices,
                                     ChosenSet::Others others);
  /// Of a crash into `level`, and those before it.
  Reproduction reproduction_of(std::size_t level, const Reproduction::Crash& crash) const;
  CrashFailure describe(std::size_t level, const Reproduction::Crash& crash, std::string message);
  /// What recovery read of a failed state, as granules of the failure.
  void describe_granules(std::size_t level, ChosenSet::Others others, CrashFailure& failure);
  /// Says in which file the granule lies, where it is one.
  void name_file(CrashGranule& granule);
  /// What is crashed into on `level`.
  const Trace& source_trace(std::size_t level) const;
  CrashHistory history() const;
  void note_sites(const Trace& trace);

  const CrashProgram& program_;
  const CrashTestOptions& options_;
  SearchProgress& progress_;
  FailureSink on_failure_;
  std::vector<std::unique_ptr<Level>> levels_;
  std::vector<CrashOperation> operations_;
  CallSites sites_;
  bool kills_ = false;           // Among the crash points of the workload.
  bool kills_recovery_ = false;  // From these as well.
  std::uint64_t trace_hash_ = 0;
  struct OrderingSite {
    EventKind kind = EventKind::kFence;
    bool can_move = false;
  };
  std::map<const void*, OrderingSite> ordering_sites_;  // Where they are asked for.
  std::size_t failures_ = 0;
  std::uint64_t sampled_ = 0;
  SeededRandom sampler_;
  std::size_t entered_ = 0;  // The level whose machine the program under test was given last.
  bool tells_ = false;       // Of a failure, just now.
  TimePoint began_;
};

}  // namespace nacre
