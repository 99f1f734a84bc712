#include "emulation/explorer/explorer.h"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <utility>

#include "emulation/explorer/describe_state.h"
#include "emulation/explorer/explorer_level.h"
#include "emulation/explorer/process_end.h"
#include "emulation/explorer/timeline.h"
#include "emulation/simulation/visible_bytes.h"
#include "lib/base/assert.h"
#include "lib/base/try.h"

namespace nacre {
namespace {

/// Of one crash point. More of them are not told apart: each state is compared with all.
constexpr std::size_t kMaxOutcomes = 64;

bool is_scheduled(std::uint16_t thread) {
  return thread >= 1 && thread <= ThreadSchedule::kMaxThreads;
}

/// FNV-1a (Fowler, Noll, Vo), of the model and of what was done, but not of where in the program.
std::uint64_t hash_of(const Trace& trace, std::string_view model) {
  std::uint64_t hash = 0xcbf29ce484222325;
  const auto mix = [&](std::uint64_t value) { hash = (hash ^ value) * 0x100000001b3; };
  for (const char letter : model) mix(static_cast<unsigned char>(letter));
  for (const Event& event : trace.events()) {
    mix(static_cast<std::uint64_t>(event.kind));
    mix(event.address);
    mix(event.value);
    // Others have numbers that depend on what the process has done before.
    if (is_scheduled(event.thread)) mix(event.thread);
    // What is written to files may differ from process to process: a lock file holds a pid.
    if (event.kind == EventKind::kWriteBegin) continue;
    for (const std::byte byte : trace.written(event)) mix(std::to_integer<std::uint64_t>(byte));
  }
  return hash;
}

}  // namespace

Explorer::Explorer(const CrashProgram& program, const CrashTestOptions& options,
                   SearchProgress& progress, FailureSink on_failure)
    : program_(program),
      options_(options),
      progress_(progress),
      on_failure_(std::move(on_failure)),
      kills_(options.process_kills),
      sampler_(options.seed),
      began_(std::chrono::steady_clock::now()) {}

Explorer::~Explorer() = default;

Status Explorer::record() {
  // A reproduction says itself which of its crashes are kills.
  kills_recovery_ = options_.depth > 1 && (!options_.reproduce.empty() ||
                                           (options_.process_kills && options_.kill_recovery));
  for (std::size_t level = 0; level <= options_.depth + std::size_t{kills_recovery_}; ++level) {
    levels_.push_back(
        std::make_unique<Level>(NACRE_TRY(SimulatedMachine::create(options_.machine))));
  }
  Machine& machine = levels_[0]->core();
  for (auto& level : levels_) level->core().mutate(options_.mutated_site, options_.mutation);
  // Recoveries are run too often for it, but for the one that is run again to be described.
  for (auto& level : levels_) level->core().set_captures_calls(!options_.reproduce.empty());
  machine.set_captures_calls(true);
  CrashRun run(machine);
  NACRE_TRY(run_workload(run));
  operations_.assign(run.operations().begin(), run.operations().end());
  trace_hash_ = hash_of(machine.trace(), options_.machine.model.name());
  note_sites(machine.trace());
  progress_.counts.schedule_steps = machine.schedule().steps();
  progress_.counts.operations = operations_.size();
  progress_.counts.events = machine.trace().events().size();
  progress_.counts.trace_hash = trace_hash_;
  progress_.counts.recorded = true;
  return {};
}

Status Explorer::run_workload(CrashRun& run) {
  Machine& machine = levels_[0]->core();
  try {
    machine.set_recording(false);
    enter(ProgramStage::kSetup, 0);
    if (program_.setup) program_.setup(levels_[0]->machine);
    machine.settle();
    machine.set_recording(true);
    machine.set_schedule(progress_.schedule);
    enter(ProgramStage::kRun, 0);
    program_.run(levels_[0]->machine, run);
    machine.set_recording(false);
    return {};
  } catch (const std::exception& exception) {
    return Error(ErrorCode::kInvalidArgument,
                 "the workload itself does not run: " + exception_text(exception.what()));
  } catch (...) {
    return Error(ErrorCode::kInvalidArgument,
                 "the workload itself does not run: " + exception_text({}));
  }
}

void Explorer::enter(ProgramStage stage, std::size_t level) noexcept {
  entered_ = level;
  progress_.stage = stage;
  ++progress_.beats;
}

std::string Explorer::exception_text(std::string_view what) const {
  return fmt::format(
      "{} threw {}", stage_name(progress_.stage),
      what.empty() ? "something that is no std::exception" : fmt::format("an exception: {}", what));
}

CrashTimeline Explorer::timeline() {
  CrashPoints points = begin_level(1);
  return describe_timeline(source_trace(1), operations_, points, sites_);
}

Result<CrashProgram::State> Explorer::recover(std::size_t level, Chooser& chooser) {
  Level& target = *levels_[level];
  Machine& machine = target.core();
  machine.media().restore();
  machine.begin_recovery();
  if (target.is_killed()) show_what_was_visible(level);
  machine.set_recording(may_crash(level));
  target.choices.clear();
  target.found = nullptr;
  // While a failure is made smaller, the search stays where it is.
  SearchPosition* const position = level == 1 && !tells_ ? &progress_.position : nullptr;
  if (position != nullptr) position->begin(target.point.index);
  target.chooser = RecordedChooser(chooser, target.choices, position);
  target.resolver.begin(target.chooser);
  machine.set_resolver(&target.resolver);
  enter(ProgramStage::kRecover, level);
  auto state = program_.recover(target.machine);
  machine.set_recording(false);
  note_sites(machine.trace());
  target.found = state ? *state : nullptr;
  progress_.counts.recovery_read |= machine.was_accessed() && !target.state.granules.empty();
  return state;
}

Explorer::Problem Explorer::run_state(std::size_t level, Chooser& chooser, const Budget* nested) {
  try {
    return run_program(level, chooser, nested);
  } catch (const std::exception& exception) {
    return exception_text(exception.what());
  } catch (...) {
    return exception_text({});
  }
}

Explorer::Problem Explorer::run_program(std::size_t level, Chooser& chooser, const Budget* nested) {
  Level& target = *levels_[level];
  const Result<CrashProgram::State> state = recover(level, chooser);
  if (!state) return "recovery failed: " + state.error().to_string();
  if (Problem problem = judge(level, *state)) return problem;
  // After a kill also one that only looks: what it has seen may be lost yet.
  if (nested != nullptr &&
      (target.is_killed() ||
       std::ranges::any_of(target.core().trace().events(), changes_what_is_visible))) {
    const std::size_t failures = failures_;
    search_recovery(level + 1, *nested);
    if (failures_ > failures) return std::nullopt;  // Told, as what it is.
  }
  if (options_.recover_twice) {
    if (Problem problem = recover_again(level, *state)) return problem;
  }
  if (!program_.use) return std::nullopt;
  enter(ProgramStage::kUse, level);
  const Status used = program_.use(target.machine);
  if (used) return std::nullopt;
  return "not usable after recovery: " + used.error().to_string();
}

Explorer::Problem Explorer::judge(std::size_t level, const CrashProgram::State& state) {
  enter(ProgramStage::kCheck, level);
  const Status checked = program_.check(state, history());
  if (!checked) return checked.error().to_string();
  if (level == 1) {
    note_outcome(*levels_[1], state);
    return std::nullopt;
  }
  // What a recovery has returned others act upon, whatever came of the recoveries behind it.
  for (std::size_t i = level; i > 1; --i) {
    const CrashProgram::State& before = levels_[i - 1]->found;
    const bool must_be_there = levels_[i]->point.is_answered && before != nullptr;
    if (must_be_there && !program_.equal(before, state)) {
      return "recovery finds something else than the recovery before it had returned";
    }
  }
  return std::nullopt;
}

void Explorer::note_outcome(Level& level, const CrashProgram::State& state) {
  if (level.outcomes.size() == kMaxOutcomes) return;
  const bool is_known = std::ranges::any_of(
      level.outcomes, [&](const auto& known) { return program_.equal(known, state); });
  if (is_known) return;
  level.outcomes.push_back(state);
  ++progress_.counts.distinct_outcomes;
  ++progress_.at(level.point.index).outcomes;
}

Explorer::Problem Explorer::recover_again(std::size_t level, const CrashProgram::State& first) {
  Machine& machine = levels_[level]->core();
  machine.begin_recovery();
  machine.set_recording(true);
  enter(ProgramStage::kRecover, level);
  const Result<CrashProgram::State> again = program_.recover(levels_[level]->machine);
  machine.set_recording(false);
  if (!again) return "the second recovery failed: " + again.error().to_string();
  if (!program_.equal(first, *again)) {
    return "the second recovery found something else than the first";
  }
  const auto& events = machine.trace().events();
  const auto store = std::ranges::find_if(events, changes_what_is_visible);
  if (store == events.end()) return std::nullopt;
  return fmt::format("the second recovery stored something, at {}: recovery is not idempotent",
                     sites_.describe(machine.trace().calls(*store)));
}

Status Explorer::reproduce(const Reproduction& reproduction) {
  if (reproduction.trace_hash != trace_hash_ ||
      reproduction.crashes.size() - reproduction.recovery_kills() > options_.depth ||
      reproduction.crashes.size() >= levels_.size()) {
    return Error(ErrorCode::kInvalidArgument,
                 "the reproduction belongs to another test, or to another model, build or workload "
                 "of this one: what this one does to the media differs. Run that test alone, such "
                 "as by --gtest_filter, or explore anew");
  }
  for (std::size_t level = 1; level <= reproduction.crashes.size(); ++level) {
    const Reproduction::Crash& crash = reproduction.crashes[level - 1];
    kills_ |= crash.kind == CrashKind::kKill;
    const auto is_named = [&](const CrashPoint& point) {
      return point.kind == crash.kind && point.number == crash.point;
    };
    if (!go_to_point(level, is_named)) {
      return Error(ErrorCode::kInvalidArgument,
                   fmt::format("there is no crash point {}", crash.point));
    }
    for (const auto& [granule, candidate] : crash.chosen) {
      const auto& granules = levels_[level]->state.granules;
      if (granule < granules.size() && candidate < granules[granule].candidates.size()) continue;
      return Error(ErrorCode::kInvalidArgument,
                   fmt::format("crash point {} leaves no {}={} open: it has {} granules; copy the "
                               "whole line that a failure printed",
                               crash.point, granule, candidate, granules.size()));
    }
    ChosenSet chooser(crash.chosen, crash.others);
    if (level < reproduction.crashes.size()) {
      // Whatever it finds: the crash in it is what is asked for.
      recover_alone(level, chooser);
      continue;
    }
    Problem problem = run_state(level, chooser, /*nested=*/nullptr);
    if (problem) fail(level, levels_[level]->choices, *std::move(problem));
  }
  return {};
}

void Explorer::recover_alone(std::size_t level, Chooser& chooser) {
  try {
    static_cast<void>(recover(level, chooser));
  } catch (...) {  // Of the program under test, which has come as far as it has.
    levels_[level]->core().set_recording(false);
  }
}

CrashHistory Explorer::history() const {
  const CrashPoint& point = levels_[1]->point;
  return CrashHistory(operations_, point.marks, point.promised);
}

}  // namespace nacre
