// bench wal: what a durable append, a commit, a recovery and a read cost, beside what they must
// cost (the floor) and what they cost elsewhere (the peers). See docs/benchmarks.md.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <array>
#include <csignal>
#include <cstdlib>
#include <regex>
#include <string>
#include <vector>

#include "bench/command.h"
#include "bench/harness.h"
#include "bench/machine.h"
#include "bench/plot.h"
#include "bench/report.h"
#include "bench/wal_rows.h"
#include "lib/base/try.h"

namespace nacre::bench {
namespace {

struct Arguments {
  bool quick = false;
  bool list = false;
  std::size_t rounds = 0;
  std::string filter = ".";
  std::string json_file;
  std::string plot_file;
  std::filesystem::path directory;
  std::filesystem::path memory_directory = "/dev/shm";
};

volatile std::sig_atomic_t interrupted = 0;

/// The first directory on a real disk among the usual places for large temporary files.
std::filesystem::path find_disk_directory() {
  std::vector<std::filesystem::path> candidates;
  if (const char* named = std::getenv("TMPDIR"); named != nullptr && *named != '\0') {
    candidates.emplace_back(named);
  }
  candidates.insert(candidates.end(), {"/var/tmp", "/tmp", "."});
  for (const std::filesystem::path& candidate : candidates) {
    const Result<bool> in_memory = lies_in_memory(candidate);
    if (in_memory && !*in_memory) return candidate;
  }
  return {};
}

Result<Setting> make_setting(const Arguments& arguments) {
  Setting setting{.memory_directory = arguments.memory_directory,
                  .disk_directory = arguments.directory,
                  .quick = arguments.quick};
  if (!NACRE_TRY(lies_in_memory(setting.memory_directory))) {
    return Error(ErrorCode::kInvalidArgument, "--memory-dir must name a directory on tmpfs")
        .with_path(setting.memory_directory);
  }
  if (setting.disk_directory.empty()) {
    setting.disk_directory = find_disk_directory();
  } else if (NACRE_TRY(lies_in_memory(setting.disk_directory))) {
    return Error(ErrorCode::kInvalidArgument,
                 "--dir must name a directory on a disk; this one lies in memory")
        .with_path(setting.disk_directory);
  }
  return setting;
}

std::vector<Benchmark> selected_benchmarks(const Setting& setting, const std::regex& filter) {
  std::vector<Benchmark> selected;
  for (const auto& part :
       {append_benchmarks, commit_benchmarks, read_benchmarks, memory_benchmarks}) {
    for (Benchmark& benchmark : part(setting)) {
      if (std::regex_search(benchmark.name, filter)) selected.push_back(std::move(benchmark));
    }
  }
  return selected;
}

std::vector<Row> run_all(std::vector<Benchmark> benchmarks, const Arguments& arguments) {
  // Leaves a tenth of the promised minute for setting up the last row and taking all down.
  constexpr auto kQuickTotal = std::chrono::seconds(54);
  const SteadyClock::time_point end = SteadyClock::now() + kQuickTotal;
  std::vector<Row> rows;
  for (std::size_t i = 0; i < benchmarks.size(); ++i) {
    if (interrupted != 0) break;
    Plan plan;
    plan.interrupted = [] { return interrupted != 0; };
    if (arguments.quick) {
      plan.rounds = 9;
      plan.slice = std::chrono::milliseconds(35);
      const SteadyClock::time_point now = SteadyClock::now();
      plan.deadline = now + (end - now) / static_cast<int>(benchmarks.size() - i);
    }
    if (arguments.rounds > 0) plan.rounds = arguments.rounds;
    rows.push_back(run(std::move(benchmarks[i]), plan));
    fmt::print("{}\n", table_rows(rows.back()));
    std::fflush(stdout);
  }
  return rows;
}

/// False when that failed, which is told.
bool wrote(const std::string& path, const std::string& content) {
  const Status written = write_figures(path, content);
  if (!written) fmt::print(stderr, "bench_wal: {}\n", written.error().to_string());
  return written.has_value();
}

void print_machine(const Machine& machine) {
  fmt::print("{}, {} cores, {:.0f} GiB, {}\n{} {}, nacre {}, memory on {}, disk on {}\n\n",
             machine.cpu, machine.cores, static_cast<double>(machine.memory_bytes) / (1U << 30),
             machine.kernel, machine.compiler, machine.build_type, machine.nacre_version,
             machine.memory_file_system,
             machine.disk_file_system.empty() ? "none" : machine.disk_file_system);
}

int run_benchmarks(const Arguments& arguments) {
  const Result<Setting> setting = make_setting(arguments);
  if (!setting) {
    fmt::print(stderr, "bench_wal: {}\n", setting.error().to_string());
    return kUsage;
  }
  std::vector<Benchmark> benchmarks =
      selected_benchmarks(*setting, std::regex(arguments.filter, std::regex::ECMAScript));
  if (arguments.list) {
    for (const Benchmark& benchmark : benchmarks) fmt::print("{}\n", benchmark.name);
    return kSuccess;
  }
  const Machine machine = describe_machine(setting->memory_directory, setting->disk_directory);
  print_machine(machine);
  const std::size_t wanted = benchmarks.size();
  const std::vector<Row> rows = run_all(std::move(benchmarks), arguments);
  fmt::print("How each was set up:\n{}", tuning_notes(rows));

  bool complete = rows.size() == wanted && wanted > 0;
  for (const Row& row : rows) complete = complete && row.find(Role::kNacre) != nullptr;
  if (!wrote(arguments.json_file, to_json(rows, machine))) complete = false;
  if (!wrote(arguments.plot_file, to_svg(rows, machine))) complete = false;
  return complete ? kSuccess : kIncomplete;
}

int main_with(int argc, char** argv) {
  Arguments arguments;
  CLI::App app("nacre's log against its floor and its peers, in one process and run");
  app.add_flag("--quick", arguments.quick, "End within a minute");
  app.add_flag("--list", arguments.list, "Name the rows and end");
  app.add_option("--json", arguments.json_file, "Write the figures to this file");
  app.add_option("--plot", arguments.plot_file, "Write a chart (SVG) to this file");
  app.add_option("--filter", arguments.filter, "Only rows whose name matches this expression");
  app.add_option("--rounds", arguments.rounds, "Rounds a row (25, or at most 9 with --quick)")
      ->check(CLI::Range(1, 1000));
  app.add_option("--dir", arguments.directory, "Where to write on an ordinary file system")
      ->check(CLI::ExistingDirectory);
  app.add_option("--memory-dir", arguments.memory_directory, "Where to write in memory (tmpfs)")
      ->check(CLI::ExistingDirectory);
  CLI11_PARSE(app, argc, argv);
  // libpmem takes only what it believes to be persistent memory; read at its first mapping.
  setenv("PMEM_IS_PMEM_FORCE", "1", 1);
  for (const int signal : {SIGINT, SIGTERM}) {
    std::signal(signal, [](int) { interrupted = 1; });
  }
  return run_benchmarks(arguments);
}

}  // namespace
}  // namespace nacre::bench

int main(int argc, char** argv) {
  return nacre::bench::run_program("bench_wal",
                                   [&] { return nacre::bench::main_with(argc, argv); });
}
