// All sequences of a test against a model, and the report on them.

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>

#include "emulation/explorer/model_sequences.h"
#include "emulation/explorer/random_crash.h"
#include "emulation/explorer/report_text.h"
#include "emulation/explorer/reproduction.h"
#include "lib/base/assert.h"
#include "nacre/emulation/model_crash_test.h"

namespace nacre {

namespace crash_in_setup {

void begin(SimulatedMachine& machine) {
  machine.core().settle();
  machine.core().set_recording(true);
}

std::size_t events(const SimulatedMachine& machine) {
  return machine.core().trace().events().size();
}

void crash(SimulatedMachine& machine, std::size_t first, std::uint64_t seed) {
  SeededRandom random(seed);
  crash_at_random(machine.core(), first, random);
}

}  // namespace crash_in_setup

namespace {

/// What was explored of a sequence.
struct SequenceReport {
  CrashReport crashes;  // Of the failure, where there is one; else of all of it.
  bool failed = false;
  std::size_t begin = 0;  // What the failure lies in.
  std::size_t end = 0;
};

bool is_failure(const CrashReport& report) {
  // Nothing open is nothing to fail of; a workload that does not run is another matter.
  return report.verdict == CrashVerdict::kFailed ||
         (report.verdict == CrashVerdict::kInconclusive && report.states == 0);
}

void add_counts(const CrashReport& part, CrashReport& sum) {
  sum.model = part.model;
  sum.operations += part.operations;
  sum.events += part.events;
  sum.crash_points += part.crash_points;
  sum.open_points += part.open_points;
  sum.kill_points += part.kill_points;
  sum.recovery_kills += part.recovery_kills;
  sum.states += part.states;
  sum.nested_states += part.nested_states;
  sum.product += part.product;
  sum.distinct_outcomes += part.distinct_outcomes;
  sum.seconds += part.seconds;
  add_sites(part.ordering_sites, sum.ordering_sites);
}

class ModelSearch {
 public:
  ModelSearch(const ModelCrashProgram& program, const ModelCrashTestOptions& options)
      : program_(program), options_(options) {}

  CrashReport run() {
    std::optional<Reproduction> reproduction;
    if (!options_.crash.reproduce.empty()) {
      auto parsed = Reproduction::parse(options_.crash.reproduce);
      if (!parsed) return refused(parsed.error());
      reproduction = *std::move(parsed);
    }
    sum_.seed = reproduction ? reproduction->seed : options_.crash.seed;
    sum_.tried_each_state = true;
    // The seed of a failure makes its sequence the first one.
    const std::size_t count = reproduction ? 1 : options_.sequences;
    for (std::size_t i = 0; i < count; ++i) {
      seed_ = sum_.seed + i;
      ++sum_.sequences;
      const ModelSteps steps = make_steps(program_, options_, seed_);
      SequenceReport report = explore(steps);
      if (report.failed) return describe(steps, std::move(report));
      add_counts(report.crashes, sum_);
      if (problem_.empty()) problem_ = report.crashes.problem;
      sum_.tried_each_state &= report.crashes.tried_each_state;
    }
    return conclude();
  }

 private:
  CrashReport refused(const Error& error) {
    sum_.problem = error.to_string();
    return sum_;
  }

  CrashTestOptions share_of_a_sequence() const {
    CrashTestOptions options = options_.crash;
    options.seed = seed_;
    options.reproduce.clear();
    options.timeline = false;
    options.max_states = std::max<std::uint64_t>(1, options.max_states / options_.sequences);
    options.max_seconds /= static_cast<double>(options_.sequences);
    return options;
  }

  SequenceReport explore(const ModelSteps& steps) const {
    CrashTestOptions options = share_of_a_sequence();
    const auto crashes = static_cast<std::size_t>(std::ranges::count_if(
        steps, [](const ModelStep& step) { return step.kind == ModelStep::Kind::kCrash; }));
    options.max_states = std::max<std::uint64_t>(1, options.max_states / (crashes + 1));
    options.max_seconds /= static_cast<double>(crashes + 1);
    SequenceReport whole;
    whole.crashes.tried_each_state = true;
    for (std::size_t begin = 0; begin <= steps.size();) {
      std::size_t end = begin;
      while (end < steps.size() && steps[end].kind != ModelStep::Kind::kCrash) ++end;
      CrashReport part = program_.explore(steps, begin, end, options);
      if (is_failure(part)) {
        return {.crashes = std::move(part), .failed = true, .begin = begin, .end = end};
      }
      add_counts(part, whole.crashes);
      // Where nothing was open there was one state, and it was tried.
      whole.crashes.tried_each_state &= part.verdict != CrashVerdict::kBounded;
      if (whole.crashes.problem.empty()) whole.crashes.problem = part.problem;
      begin = end + 1;
    }
    return whole;
  }

  /// `found` is what was seen of `steps`. The last failure that was seen is that of the fewest
  /// steps: looked for again, it may not be found, with a budget in seconds.
  CrashReport describe(const ModelSteps& steps, SequenceReport found) {
    const ModelSteps fewest =
        shrink_steps(steps, program_, options_.max_shrink_runs, [&](const ModelSteps& tried) {
          SequenceReport report = explore(tried);
          if (!report.failed) return false;
          found = std::move(report);
          return true;
        });
    // Once more as it was asked for, with all that costs time.
    CrashTestOptions options = options_.crash;
    options.seed = seed_;
    CrashReport report = program_.explore(fewest, found.begin, found.end, options);
    if (!is_failure(report) && options.reproduce.empty()) report = found.crashes;
    report.seed = seed_;
    report.sequences = sum_.sequences;
    report.steps_before = steps.size();
    for (const ModelStep& step : fewest) report.steps.push_back(text_of(step));
    return report;
  }

  std::string text_of(const ModelStep& step) const {
    switch (step.kind) {
      case ModelStep::Kind::kOperation: {
        const std::string text = program_.text(step.operation);
        return text.empty() ? "operation" : text;
      }
      case ModelStep::Kind::kReopen:
        return "reopen";
      case ModelStep::Kind::kCrash:
        return "crash";
    }
    return {};
  }

  CrashReport conclude() {
    if (sum_.open_points == 0) {
      sum_.problem = problem_;
      sum_.tried_each_state = false;
    } else {
      sum_.verdict = CrashVerdict::kBounded;
    }
    return sum_;
  }

  const ModelCrashProgram& program_;
  const ModelCrashTestOptions& options_;
  CrashReport sum_;
  std::uint64_t seed_ = 0;
  std::string problem_;  // Why nothing was tested.
};

}  // namespace

CrashReport explore_model(const ModelCrashProgram& program, const ModelCrashTestOptions& options) {
  NACRE_ASSERT(options.sequences > 0 && options.operations > 0);
  NACRE_ASSERT(options.operations <= CallsToExplain::kMaxCalls);
  return ModelSearch(program, options).run();
}

}  // namespace nacre
