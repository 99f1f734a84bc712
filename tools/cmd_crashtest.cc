// nacre crashtest: tries what a crash may leave of nacre's own structures.

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "lib/base/try.h"
#include "nacre/clock.h"
#include "nacre/emulation/crash_flags.h"
#include "tools/command.h"
#include "tools/crash_mutation.h"
#include "tools/crash_table.h"
#include "tools/output.h"
#include "tools/progress.h"

namespace nacre::tools {
namespace {

constexpr double kDefaultSeconds = 10;

struct CrashtestOptions {
  std::vector<std::string> suites;
  bool list = false;
  bool mutate = false;
  std::string model;
  double budget_seconds = kDefaultSeconds;
  std::uint64_t seed = 1;
  std::size_t depth = 2;
  bool kills = false;
  std::size_t jobs = 0;
  std::string reproduce;
  std::string report;
  std::string json;
};

CrashTestOptions search_options(const CrashtestOptions& options) {
  return {.seed = options.seed,
          .max_states = std::uint64_t{1} << 62,
          .max_seconds = options.budget_seconds,
          .depth = options.depth,
          .process_kills = options.kills,
          .jobs = options.jobs,
          .timeline = !options.report.empty(),
          .reproduce = options.reproduce};
}

/// A state belongs to one suite under one model.
Status check_reproducible(const CrashtestOptions& options, std::size_t jobs) {
  if (options.reproduce.empty() || jobs == 1) return {};
  return Error(ErrorCode::kInvalidArgument,
               "--crash-repro names a state of one suite under one model: name them both, as the "
               "line below the failure did");
}

Result<std::vector<CrashResult>> explore(const CrashtestOptions& options,
                                         const std::vector<CrashJob>& jobs) {
  SystemClock clock;
  Progress progress("crashing", jobs.size(), clock);
  std::vector<CrashResult> results;
  for (const CrashJob& job : jobs) {
    progress.update(results.size(), 0, 0);
    results.push_back({job, job.suite.explore(job.model, search_options(options))});
    if (options.report.empty()) continue;
    NACRE_TRY(save_crash_report(results.back().report,
                                report_path(options.report, job, jobs.size() == 1)));
  }
  return results;
}

Status write_file(const std::string& path, const std::string& text) {
  const auto failed = [&](const char* what) {
    const int sys_errno = errno;
    return Error(ErrorCode::kIo, fmt::format("cannot {} the results", what))
        .with_errno(sys_errno)
        .with_path(path);
  };
  const int descriptor = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (descriptor < 0) return failed("create a file for");
  const Status written = write_all(descriptor, as_bytes(text));
  if (::close(descriptor) != 0 && written) return failed("write");
  return written;
}

Status tell(const CrashtestOptions& options, const std::vector<CrashResult>& results) {
  if (options.json == "-") return print_out(crash_results_json(results));
  if (!options.json.empty()) NACRE_TRY(write_file(options.json, crash_results_json(results)));
  std::string text = crash_results_text(results);
  // One state has no table to fill: what became of it does.
  if (!options.reproduce.empty() && results.front().report.passed()) {
    text += "\n" + results.front().report.to_string();
  }
  return print_out(text);
}

ExitCode exit_code_of(const std::vector<CrashResult>& results) {
  const auto any = [&](CrashVerdict verdict) {
    return std::ranges::any_of(
        results, [&](const CrashResult& result) { return result.report.verdict == verdict; });
  };
  if (any(CrashVerdict::kFailed)) return ExitCode::kDamaged;
  return any(CrashVerdict::kInconclusive) ? ExitCode::kUnusable : ExitCode::kOk;
}

/// What nothing has missed is damage to come, as far as a user of the exit code is concerned.
Result<ExitCode> run_mutations(const CrashtestOptions& options, const std::vector<CrashJob>& jobs) {
  CrashTestOptions search = search_options(options);
  search.timeline = false;
  // It takes so long that whoever waits wants to see what has been found.
  const auto tell_result = [](std::size_t done, std::size_t places, const MutationResult& result) {
    const std::string text = fmt::format("{:>3}/{} {}", done + 1, places, mutation_text(result));
    static_cast<void>(write_all(STDERR_FILENO, as_bytes(text)));
  };
  const std::vector<MutationResult> results = NACRE_TRY(mutate(jobs, search, tell_result));
  NACRE_TRY(print_out(mutations_text(results)));
  if (!options.report.empty()) NACRE_TRY(write_file(options.report, mutations_page(results)));
  return std::ranges::any_of(results, &MutationResult::is_wrong) ? ExitCode::kDamaged
                                                                 : ExitCode::kOk;
}

Result<ExitCode> run_crashtest(const CrashtestOptions& options) {
  if (options.list) {
    NACRE_TRY(print_out(crash_suites_text()));
    return ExitCode::kOk;
  }
  const std::vector<CrashJob> jobs = NACRE_TRY(select_crash_jobs(options.suites, options.model));
  NACRE_TRY(check_reproducible(options, jobs.size()));
  if (options.mutate) return run_mutations(options, jobs);
  const std::vector<CrashResult> results = NACRE_TRY(explore(options, jobs));
  NACRE_TRY(tell(options, results));
  return exit_code_of(results);
}

void add_search_options(CommandLine command, CrashtestOptions& options) {
  command.add_seconds(
      "--budget", options.budget_seconds,
      "Time for each suite under each model, such as 60s or 5min; 0 for all that it takes (10s)");
  command.add_option("--seed", options.seed, "Choose otherwise what a budget has time for (1)")
      .option_text("N");
  command
      .add_option("--depth", options.depth,
                  "Crashes in a row: 1, or 2 to crash recovery as well, and so on (2)")
      .range(1, 8)
      .option_text("N");
  command.add_flag("--kills", options.kills,
                   "Also kill the process alone at each of its stores, recover, and cut the power");
  command.add_option("--jobs", options.jobs, "Processes at once (one for each processor)")
      .range(0, 1024)
      .option_text("N");
}

}  // namespace

Command add_crashtest(CommandLine app) {
  auto options = std::make_shared<CrashtestOptions>();
  CommandLine command = app.add_subcommand(
      "crashtest", "Try every state that a crash may leave of nacre's own structures");
  command.add_option("SUITE", options->suites, "The suites to run (all)").option_text("");
  command.add_flag("--list", options->list, "Name the suites and models");
  command.add_flag("--mutate", options->mutate,
                   "Take out each flush, fence, sync and durable write of nacre, or move it, one "
                   "at a time, and name those that no suite misses; --report writes them as "
                   "Markdown");
  command.add_option("--model", options->model, "Only under this model").option_text("NAME");
  add_search_options(command, *options);
  command
      .add_option("--crash-repro,--crash_repro", options->reproduce,
                  "Only the state that a failure has named so")
      .option_text("STATE");
  command
      .add_option("--report", options->report,
                  "Write a page with the timeline; of several suites or models one each, with "
                  "their names in the file's")
      .option_text("FILE");
  command
      .add_option("--json", options->json,
                  "Write the results as JSON; '-' prints them instead of the table")
      .option_text("FILE");
  return {.line = command, .run = [options] { return run_crashtest(*options); }};
}

}  // namespace nacre::tools
