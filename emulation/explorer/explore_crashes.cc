// The search as a whole: shares it out, gathers what is found, and says what that means.

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "emulation/explorer/exit_guard.h"
#include "emulation/explorer/explorer.h"
#include "emulation/explorer/report_text.h"
#include "emulation/explorer/search_worker.h"
#include "emulation/explorer/timeline.h"
#include "emulation/simulation/fault_handler.h"
#include "nacre/emulation/crash_test.h"

namespace nacre {
namespace {

/// Processes beyond that would be a mistake.
constexpr std::size_t kMaxJobs = 1024;
constexpr double kLeastRecoverySeconds = 0.001;

/// What is wrong with a test before it runs; empty: nothing. NaN is in no range.
std::string_view refusal(const CrashProgram& program, const CrashTestOptions& options) {
  if (!program.run) return "the test has no workload: give it one by run()";
  if (!program.recover) return "the test has no recovery: give it one by recover()";
  if (!program.check) return "the test checks nothing: give it a check by check()";
  if (options.max_states == 0) return "the budget is too small for one state; raise max_states";
  if (options.depth == 0) return "depth is 0, which is no crash at all; 1 crashes the workload";
  if (options.depth >= FaultHandler::kMaxWatched - std::size_t{options.process_kills}) {
    return "depth is too large: a process has 64 simulated machines at most, and a crash test "
           "takes "
           "one more than its depth, and with process_kills two";
  }
  if (options.max_failures == 0) return "max_failures is 0: the search would end before it began";
  if (options.in_process && options.fork_each_state) {
    return "in_process and fork_each_state contradict each other; leave one out";
  }
  if (options.in_process && options.jobs > 1) {
    return "in_process runs each state in the calling process, and jobs shares them out between "
           "others; leave one out";
  }
  if (options.note_sites && !options.in_process) return "note_sites needs in_process";
  if (options.schedules == 0)
    return "schedules is 0: there would be no order for threads to run in";
  if (options.jobs > kMaxJobs) return "jobs is more than 1024";
  if (!(options.max_seconds >= 0)) return "max_seconds is less than 0; 0 sets no limit";
  if (!(options.recovery_seconds >= kLeastRecoverySeconds)) {
    return "recovery_seconds is less than 0.001, in which no timer can be told from a hang";
  }
  if (!(options.stuck_seconds >= 0)) return "stuck_seconds is less than 0; 0 lets it be chosen";
  return {};
}

class CrashSearch {
 public:
  CrashSearch(const CrashProgram& program, const CrashTestOptions& options)
      : program_(program), options_(options) {}

  CrashReport run() {
    const auto began = std::chrono::steady_clock::now();
    const ExitGuard guard([this] { return exit_text(); });
    report_.model = options_.machine.model.name();
    report_.seed = options_.seed;
    if (Status checked = check_options(); !checked) {
      report_.problem = checked.error().to_string();
      return report_;
    }
    search_schedule({.seed = reproduction_ ? reproduction_->seed : options_.seed,
                     .steps = reproduction_ ? reproduction_->schedule_steps : 0,
                     .preemptions = options_.preemptions});
    if (schedule_steps_ > 0 && !reproduction_) search_more_schedules();
    report_.seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
    conclude();
    for (CrashFailure& failure : report_.failures) describe_again(failure);
    if (options_.timeline && report_.problem.empty()) describe_timeline();
    return report_;
  }

 private:
  Status check_options() {
    if (const std::string_view refused = refusal(program_, options_); !refused.empty()) {
      return Error(ErrorCode::kInvalidArgument, std::string(refused));
    }
    if (options_.reproduce.empty()) return {};
    auto parsed = Reproduction::parse(options_.reproduce);
    if (!parsed) return std::move(parsed).error();
    reproduction_ = *std::move(parsed);
    return {};
  }

  void search_schedule(const ThreadScheduleOptions& schedule) {
    schedule_ = schedule;
    trace_hash_.reset();
    point_counts_.clear();
    if (options_.in_process) {
      search_here();
    } else {
      search_in_children();
    }
    if (schedule_steps_ == 0) return;
    ++report_.schedules;
    report_.different_schedules = known_traces_.size();
    report_.preemptions = options_.preemptions;
  }

  /// Of the threads of the workload. The first one, without interruption, has said how long it is.
  void search_more_schedules() {
    const std::uint64_t steps = schedule_steps_;
    for (std::size_t i = 1; i < options_.schedules && !is_decided(); ++i) {
      search_schedule(
          {.seed = options_.seed + i, .steps = steps, .preemptions = options_.preemptions});
    }
    if (!report_.problem.empty()) {
      report_.problem += fmt::format("; under schedule {} of the threads, with seed {}",
                                     report_.schedules, options_.seed);
    }
  }

  /// Of a search that begins.
  std::unique_ptr<SearchProgress> make_progress() const {
    auto progress = std::make_unique<SearchProgress>();
    progress->schedule = schedule_;
    return progress;
  }

  void search_here() {
    const auto progress = make_progress();
    Explorer explorer(program_, options_, *progress, [&](CrashFailure failure) {
      report_.failures.push_back(std::move(failure));
    });
    running_ = &explorer;
    Status done = explorer.record();
    if (done && reproduction_) done = explorer.reproduce(*reproduction_);
    if (!done) {
      report_.problem = done.error().to_string();
    } else if (!reproduction_ && !known_traces_.contains(progress->counts.trace_hash)) {
      explorer.search(0, 1, nullptr);
    }
    running_ = nullptr;
    add_sites(explorer.ordering_sites(), report_.ordering_sites);
    add(*progress);
  }

  /// A child's exit is seen by its parent; one of this process ends the tests behind it as well.
  std::string exit_text() const {
    return fmt::format(
        "FAILED: a crash test under model {}: {}\n  Without in_process that is a failure like "
        "others, "
        "and does not end the tests behind it.\n",
        report_.model,
        running_ != nullptr ? running_->exit_text() : "its workload ended the process with exit()");
  }

  void search_in_children() {
    const std::size_t jobs = reproduction_ ? 1
                             : options_.jobs != 0
                                 ? options_.jobs
                                 : std::max<std::size_t>(1, std::thread::hardware_concurrency());
    const std::set<std::uint64_t> known_traces = known_traces_;
    const SearchTask task{.program = program_,
                          .options = options_,
                          .reproduction = reproduction_ ? &*reproduction_ : nullptr,
                          .schedule = schedule_,
                          .known_traces = known_traces};
    std::vector<std::unique_ptr<SearchWorker>> workers;
    for (std::size_t i = 0; i < jobs; ++i) {
      workers.push_back(std::make_unique<SearchWorker>(task, SearchShard{i, jobs}));
      workers.back()->start();
    }
    const auto began = std::chrono::steady_clock::now();
    while (!workers.empty() && !is_decided()) {
      std::erase_if(workers, [&](const auto& worker) { return !serve(*worker); });
      if (!workers.empty()) pause_since(began);
    }
    for (const auto& worker : workers) add(worker->progress());
  }

  /// A descriptor would tell at once of the end of a child, but the program under test may close
  /// it, or hand it to a child of its own. What a pause costs is a part of what was waited before.
  static void pause_since(std::chrono::steady_clock::time_point began) {
    const std::chrono::nanoseconds waited = std::chrono::steady_clock::now() - began;
    std::this_thread::sleep_for(std::clamp<std::chrono::nanoseconds>(
        waited / 8, std::chrono::microseconds(50), std::chrono::milliseconds(10)));
  }

  /// False when the worker has nothing more to do.
  bool serve(SearchWorker& worker) {
    const std::optional<WorkerEnd> end = worker.poll();
    // What it told just before its end is there by now.
    while (!is_decided()) {
      auto failure = worker.receive();
      if (!failure) break;
      hear(*std::move(failure));
    }
    if (!end) return true;
    compare_workload(worker.progress().counts);
    if (!end->is_finished && !is_decided() && go_on_behind(worker, end->death)) return true;
    untold_failures_ += worker.untold_failures();
    add(worker.progress());
    return false;
  }

  void hear(CrashFailure failure) {
    if (failure.reproduction.empty()) {
      report_.problem = failure.message;
    } else {
      report_.failures.push_back(std::move(failure));
    }
  }

  /// Tells of a death, and starts the worker again if that is worth it.
  bool go_on_behind(SearchWorker& worker, const std::string& death) {
    if (!worker.progress().counts.recorded) {
      report_.problem = "the workload itself does not run: " + death;
      return false;
    }
    tell_of_death(worker.progress().position, death);
    if (is_decided() || reproduction_) return false;
    worker.start();
    return true;
  }

  /// What was not the same in each process has crash points that nobody has searched.
  void compare_workload(const SearchCounts& counts) {
    if (!counts.recorded) return;
    if (!trace_hash_) trace_hash_ = counts.trace_hash;
    if (*trace_hash_ == counts.trace_hash) return;
    report_.problem =
        "the workload is not deterministic: two processes that ran it did different things to the "
        "media. Take the clock, random numbers, process ids, addresses and threads out of it";
  }

  void tell_of_death(const SearchPosition& position, const std::string& death) {
    const auto progress = make_progress();
    Explorer explorer(program_, options_, *progress, [&](CrashFailure failure) {
      report_.failures.push_back(std::move(failure));
    });
    if (Status recorded = explorer.record(); !recorded) {
      report_.problem = recorded.error().to_string();
      return;
    }
    compare_workload(progress->counts);
    if (report_.problem.empty()) explorer.tell_of_death(position, death);
  }

  bool is_decided() const {
    return !report_.problem.empty() || report_.failures.size() >= options_.max_failures;
  }

  /// A failure that lies in recovery, with the callers of what recovery has stored: the search,
  /// which runs it too often for that, has not kept them.
  void describe_again(CrashFailure& failure) {
    const auto named = Reproduction::parse(failure.reproduction);
    if (reproduction_ || !named || named->crashes.size() < 2) return;
    CrashTestOptions options = options_;
    options.reproduce = failure.reproduction;
    options.timeline = false;
    CrashReport again = CrashSearch(program_, options).run();
    if (!again.failures.empty()) failure = std::move(again.failures.front());
  }

  void describe_timeline() {
    report_.timeline = record_timeline(program_, options_, schedule_);
    auto& points = report_.timeline.points;
    for (std::size_t i = 0; i < std::min(points.size(), point_counts_.size()); ++i) {
      points[i].states = point_counts_[i].states;
      points[i].nested_states = point_counts_[i].nested_states;
      points[i].outcomes = point_counts_[i].outcomes;
    }
  }

  void add(const SearchProgress& progress) {
    const SearchCounts& counts = progress.counts;
    report_.operations = counts.operations;
    report_.events = counts.events;
    report_.crash_points += counts.crash_points;
    report_.open_points += counts.open_points;
    report_.kill_points += counts.kill_points;
    report_.recovery_kills += counts.recovery_kills;
    report_.states += counts.states;
    report_.nested_states += counts.nested_states;
    report_.product += counts.product;
    report_.distinct_outcomes += counts.distinct_outcomes;
    out_of_budget_ |= counts.out_of_budget;
    schedule_steps_ = std::max(schedule_steps_, counts.schedule_steps);
    if (counts.trace_hash != 0) known_traces_.insert(counts.trace_hash);
    recovery_read_ |= counts.recovery_read;
    if (report_.limit.empty()) report_.limit = counts.limit.data();
    if (!options_.timeline) return;
    point_counts_.resize(SearchProgress::kMaxPoints);
    for (std::size_t i = 0; i < point_counts_.size(); ++i) {
      point_counts_[i].states += progress.points[i].states;
      point_counts_[i].nested_states += progress.points[i].nested_states;
      point_counts_[i].outcomes += progress.points[i].outcomes;
    }
  }

  void conclude() {
    if (untold_failures_ > 0) {
      CrashFailure& others = report_.failures.emplace_back();
      others.message =
          fmt::format("{} more failures, which there was no room to describe: lower max_failures",
                      untold_failures_);
    }
    if (!report_.failures.empty()) {
      report_.verdict = CrashVerdict::kFailed;
      return;
    }
    if (report_.problem.empty() && !reproduction_) {
      if (report_.events == 0) {
        report_.problem =
            "the workload did nothing to the simulated media, so that there is no moment to crash "
            "at: write through the machine that `run` is given";
      } else if (out_of_budget_ && (report_.open_points == 0 || !recovery_read_)) {
        report_.problem =
            "the budget ended before any state was tried that a crash may leave: raise max_seconds "
            "or max_states";
      } else if (report_.open_points == 0) {
        report_.problem =
            "no crash left anything open, so that nothing was tested: everything is durable as "
            "soon as it is written, or was written in the setup";
      } else if (!recovery_read_) {
        report_.problem =
            "recovery never read anything of the machine it was given, where a crash had left "
            "something open, so that nothing was tested: what it finds cannot depend on the "
            "crash. It has to open the structure on that machine, with nothing kept of the "
            "workload";
      }
    }
    if (!report_.problem.empty()) return;
    report_.tried_each_state = !out_of_budget_ && !reproduction_;
    report_.verdict = report_.tried_each_state && report_.schedules == 0 ? CrashVerdict::kExhaustive
                                                                         : CrashVerdict::kBounded;
  }

  const CrashProgram& program_;
  const CrashTestOptions& options_;
  std::optional<Reproduction> reproduction_;
  CrashReport report_;
  std::vector<PointCounts> point_counts_;  // By crash point.
  bool out_of_budget_ = false;
  ThreadScheduleOptions schedule_;
  std::uint64_t schedule_steps_ = 0;      // 0: the workload has no threads.
  std::set<std::uint64_t> known_traces_;  // Hashes of what was done under each schedule.
  bool recovery_read_ = false;
  const Explorer* running_ = nullptr;        // In this process.
  std::optional<std::uint64_t> trace_hash_;  // Of the workload, as the first process has run it.
  std::uint64_t untold_failures_ = 0;
};

}  // namespace

CrashReport explore_crashes(const CrashProgram& program, const CrashTestOptions& options) {
  return CrashSearch(program, options).run();
}

}  // namespace nacre
