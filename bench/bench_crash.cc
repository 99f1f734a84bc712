// bench crash: how many states a second the crash explorer tries, and how many it need not.

#include <fmt/format.h>

#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include "bench/suite.h"
#include "nacre/emulation/crash_test.h"

namespace nacre::bench {
namespace {

constexpr std::size_t kRegionBytes = 4096;
constexpr std::size_t kLineBytes = 64;
constexpr std::size_t kRecoveryNs = 5'000;
/// So many lines are open at the crash, in every combination.
constexpr std::size_t kOpenLines = 14;

/// A pass over the structure, and then work that touches no open bytes, until 5 microseconds have
/// gone by.
template <class Read>
std::uint64_t recover(Read read) {
  const auto begin = SteadyClock::now();
  std::uint64_t sum = 0;
  for (std::size_t line = 0; line < kRegionBytes; line += kLineBytes) {
    std::uint64_t word = 0;
    std::memcpy(&word, read(line, sizeof word), sizeof word);
    sum = sum * 31 + word;
  }
  while (SteadyClock::now() - begin < std::chrono::nanoseconds(kRecoveryNs)) {
  }
  return sum;
}

enum class Reading : std::uint8_t { kLoad, kPages };

CrashTest<std::uint64_t> structure_test(Reading reading, const CrashTestOptions& options) {
  CrashTest<std::uint64_t> test(options);
  test.run([](SimulatedMachine& machine, CrashRun& run) {
        run.operation("update", [&] {
          for (std::size_t i = 0; i < kOpenLines; ++i) {
            machine.region().store_u64(i * kLineBytes, i + 1);
          }
          machine.region().fence();
        });
      })
      .recover([reading](SimulatedMachine& machine) -> Result<std::uint64_t> {
        pmem::Region& region = machine.region();
        if (reading == Reading::kPages) {
          return recover([&](std::size_t at, std::size_t) { return region.data() + at; });
        }
        return recover(
            [&](std::size_t at, std::size_t bytes) { return region.load(at, bytes).data(); });
      })
      .check([](const std::uint64_t&, const CrashHistory&) { return Status(); });
  return test;
}

/// Recovery alone, over memory.
Contender bare_recovery() {
  return {"floor", Role::kFloor, "the same recovery over plain memory, again and again",
          []() -> Result<Measure> {
            auto memory = std::make_shared<std::vector<std::byte>>(kRegionBytes);
            return Measure([memory](Nanoseconds slice) -> Result<Sample> {
              const auto ns = ns_per_operation(slice, [&](std::uint64_t count) {
                std::uint64_t sum = 0;
                for (std::uint64_t i = 0; i < count; ++i) {
                  sum += recover([&](std::size_t at, std::size_t) { return memory->data() + at; });
                }
                return sum == 0;
              });
              return 1e9 / *ns;
            });
          }};
}

Contender explored(std::string tuning, Reading reading, CrashTestOptions options) {
  options.depth = 1;
  options.recover_twice = false;
  return {"nacre", Role::kNacre, std::move(tuning), [=]() -> Result<Measure> {
            return Measure([=](Nanoseconds slice) -> Result<Sample> {
              CrashTestOptions limited = options;
              limited.max_seconds = std::chrono::duration<double>(slice).count();
              std::uint64_t states = 0;
              double seconds = 0;
              while (seconds < limited.max_seconds) {
                const CrashReport report = structure_test(reading, limited).explore();
                if (!report.passed()) return Error(ErrorCode::kIo, report.to_string());
                states += report.states;
                seconds += report.seconds;
              }
              return static_cast<double>(states) / seconds;
            });
          }};
}

std::vector<Benchmark> crash_benchmarks(const Setting&) {
  struct Way {
    std::string name;
    std::string tuning;
    Reading reading;
    CrashTestOptions options;
    double bar;
  };
  const std::vector<Way> ways = {
      {"load",
       "recovery reads through Region::load, in one child process",
       Reading::kLoad,
       {},
       50e3},
      {"pages",
       "recovery reads through Region::data: a fault for each open page",
       Reading::kPages,
       {},
       10e3},
      {"fork", "a process for each state", Reading::kLoad, {.fork_each_state = true}, 2e3},
  };
  std::vector<Benchmark> rows;
  for (const Way& way : ways) {
    Benchmark& row = rows.emplace_back();
    row.name = "crash_states/" + way.name;
    row.unit = "states/s";
    row.better = Better::kHigher;
    row.contenders.push_back(explored(way.tuning, way.reading, way.options));
    row.contenders.push_back(bare_recovery());
    row.bars.push_back({.versus = "", .factor = way.bar});
  }
  return rows;
}

}  // namespace
}  // namespace nacre::bench

int main(int argc, char** argv) {
  return nacre::bench::run_suite(
      {.program = "bench_crash",
       .about = "States that the crash explorer tries in a second, on one core",
       .parts = {nacre::bench::crash_benchmarks}},
      argc, argv);
}
