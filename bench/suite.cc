#include "bench/suite.h"

#include <fmt/format.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <utility>

#include "bench/arguments.h"
#include "bench/command.h"
#include "bench/machine.h"
#include "bench/name_filter.h"
#include "bench/plot.h"
#include "bench/report.h"
#include "lib/base/try.h"

namespace nacre::bench {
namespace {

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
                  .quick = arguments.quick,
                  .file_bytes = arguments.file_mib << 20,
                  .device = arguments.device};
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

std::vector<Benchmark> selected_benchmarks(const Suite& suite, const Setting& setting,
                                           const NameFilter& filter) {
  std::vector<Benchmark> selected;
  for (const auto& part : suite.parts) {
    for (Benchmark& benchmark : part(setting)) {
      if (filter.matches(benchmark.name)) selected.push_back(std::move(benchmark));
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
bool wrote(const Suite& suite, const std::string& path, const std::string& content) {
  const Status written = write_figures(path, content);
  if (!written) fmt::print(stderr, "{}: {}\n", suite.program, written.error().to_string());
  return written.has_value();
}

void print_machine(const Machine& machine) {
  fmt::print("{}, {} cores, {:.0f} GiB, {}\n{} {}, nacre {}, memory on {}, disk on {}\n\n",
             machine.cpu, machine.cores, static_cast<double>(machine.memory_bytes) / (1U << 30),
             machine.kernel, machine.compiler, machine.build_type, machine.nacre_version,
             machine.memory_file_system,
             machine.disk_file_system.empty() ? "none" : machine.disk_file_system);
  if (!machine.memory_model.empty()) {
    fmt::print("memory as slow as {} (modelled, not measured on it)\n\n", machine.memory_model);
  }
}

int refuse(const Suite& suite, const Error& error) {
  fmt::print(stderr, "{}: {}\n", suite.program, error.to_string());
  return kUsage;
}

int run_benchmarks(const Suite& suite, const Arguments& arguments) {
  const Result<Setting> setting = make_setting(arguments);
  if (!setting) return refuse(suite, setting.error());
  const Result<NameFilter> filter = NameFilter::create(arguments.filter);
  if (!filter) return refuse(suite, filter.error());
  std::vector<Benchmark> benchmarks = selected_benchmarks(suite, *setting, *filter);
  if (arguments.list) {
    for (const Benchmark& benchmark : benchmarks) fmt::print("{}\n", benchmark.name);
    return kSuccess;
  }
  Machine machine = describe_machine(setting->memory_directory, setting->disk_directory);
  machine.memory_model = setting->device;
  print_machine(machine);
  const std::size_t wanted = benchmarks.size();
  const std::vector<Row> rows = run_all(std::move(benchmarks), arguments);
  fmt::print("How each was set up:\n{}", tuning_notes(rows));

  bool complete = rows.size() == wanted && wanted > 0;
  for (const Row& row : rows) complete = complete && row.find(Role::kNacre) != nullptr;
  if (!wrote(suite, arguments.json_file, to_json(rows, machine))) complete = false;
  if (!wrote(suite, arguments.plot_file, to_svg(rows, machine))) complete = false;
  return complete ? kSuccess : kIncomplete;
}

int main_with(const Suite& suite, int argc, char** argv) {
  const auto arguments =
      parse_arguments({.about = suite.about, .devices = suite.devices}, argc, argv);
  if (!arguments) return arguments.error();
  for (const int signal : {SIGINT, SIGTERM}) {
    std::signal(signal, [](int) { interrupted = 1; });
  }
  return run_benchmarks(suite, *arguments);
}

}  // namespace

int run_suite(const Suite& suite, int argc, char** argv) {
  return run_program(suite.program.c_str(), [&] { return main_with(suite, argc, argv); });
}

}  // namespace nacre::bench
