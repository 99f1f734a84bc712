// Programs under test that end their process, or do not end, or throw: a failure in each mode.

#include "emulation/explorer/process_end.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/emulation/explorer/word_script.h"

namespace nacre {
namespace {

using test::number_test;
using test::word_at;
using ::testing::HasSubstr;
using ::testing::StartsWith;

/// Each way to share a search out between processes.
std::vector<CrashTestOptions> all_modes() {
  std::vector<CrashTestOptions> modes(3);
  modes[1].jobs = 3;
  modes[2].fork_each_state = true;
  return modes;
}

std::function<void(SimulatedMachine&)> at_number(std::uint64_t number, void (*call)()) {
  return [=](SimulatedMachine& machine) {
    if (word_at(machine, 0) == number) call();
  };
}

// A search that ended at the first of them was once reported as one that had passed: it took the
// exit status for its child's word.
TEST(ProcessEnd, NoExitStatusOfTheProgramIsAPass) {
  const std::vector<void (*)()> exits = {[] { std::exit(0); }, [] { ::_exit(0); },
                                         [] { ::_exit(112); }, [] { ::_exit(113); },
                                         [] { ::_exit(114); }};
  for (const CrashTestOptions& mode : all_modes()) {
    for (std::size_t i = 0; i < exits.size(); ++i) {
      const CrashReport report = number_test(true, at_number(2, exits[i]), mode).explore();
      ASSERT_EQ(report.verdict, CrashVerdict::kFailed) << i << ": " << report.to_string();
      EXPECT_THAT(report.failures.at(0).message,
                  StartsWith("recovery ended the process with exit("));
    }
  }
}

CrashTestOptions in_calling_process() {
  CrashTestOptions options;
  options.in_process = true;
  return options;
}

// The program of all tests ended with status 0 before any of them had been told.
TEST(ProcessEndDeathTest, AnExitOfTheCallingProcessIsNoPass) {
  const std::vector<void (*)()> exits = {[] { std::exit(0); }, [] { std::quick_exit(0); },
                                         [] { std::exit(3); }};
  for (const auto exit : exits) {
    EXPECT_EXIT(number_test(true, at_number(2, exit), in_calling_process()).explore(),
                testing::ExitedWithCode(1),
                "FAILED: a crash test under model cache_line.*recovery ended the process with "
                "exit.*--crash_repro=1:[0-9a-f]+:[0-9]+o[0-9=,]+\n");
  }
}

TEST(ProcessEndDeathTest, SaysWhichRecoveryExited) {
  // One that stores is crashed as well: the second recovery finds what the first has begun.
  const auto repairs = [](SimulatedMachine& machine) {
    if (word_at(machine, 2) == 1) std::exit(0);
    machine.region().store_u64(2 * test::kLineBytes, 1);
    machine.region().fence();
  };
  EXPECT_EXIT(number_test(true, repairs, in_calling_process()).explore(),
              testing::ExitedWithCode(1), "--crash_repro=1:[0-9a-f]+:0o:[0-9]+o[0-9=,]+\n");
}

TEST(ProcessEndDeathTest, AWorkloadThatExitsIsNoPass) {
  const auto exits = [](SimulatedMachine&, CrashRun&) { std::exit(0); };
  EXPECT_EXIT(number_test(
                  true, [](SimulatedMachine&) {}, in_calling_process())
                  .run(exits)
                  .explore(),
              testing::ExitedWithCode(1), "run ended the process with exit");
}

TEST(ProcessEndDeathTest, WhoExitsBehindATestMayDoSo) {
  EXPECT_EXIT(
      {
        const CrashReport report =
            number_test(true, [](SimulatedMachine&) {}, in_calling_process()).explore();
        std::exit(report.passed() ? 0 : 2);
      },
      testing::ExitedWithCode(0), "");
}

// A child of the program under test is not the process that runs the tests.
TEST(ProcessEndDeathTest, AChildOfRecoveryMayExit) {
  const auto forks = [](SimulatedMachine&) {
    const pid_t child = ::fork();
    if (child == 0) std::exit(5);
    int status = 0;
    if (::waitpid(child, &status, 0) != child || WEXITSTATUS(status) != 5) std::abort();
  };
  EXPECT_EXIT(
      {
        const CrashReport report = number_test(true, forks, in_calling_process()).explore();
        ::_exit(report.passed() ? 0 : 2);
      },
      testing::ExitedWithCode(0), "");
}

TEST(ProcessEnd, SaysWhichFunctionItWas) {
  CrashTest<std::uint64_t> test = number_test(true, [](SimulatedMachine&) {});
  test.use([](SimulatedMachine& machine) -> Status {
    if (word_at(machine, 0) == 2) std::abort();
    return {};
  });
  const CrashReport report = test.explore();
  ASSERT_EQ(report.failures.size(), 1U) << report.to_string();
  EXPECT_THAT(report.failures[0].message, StartsWith("use died of signal 6"));
}

// Daemons close what they have not opened, and a failure that went through a pipe was lost.
TEST(ProcessEnd, ARecoveryThatClosesDescriptorsIsHeard) {
  const auto close_all = [](SimulatedMachine&) {
    for (int descriptor = 3; descriptor < 100; ++descriptor) ::close(descriptor);
  };
  for (const CrashTestOptions& mode : all_modes()) {
    const CrashReport wrong = number_test(/*fences=*/false, close_all, mode).explore();
    ASSERT_EQ(wrong.verdict, CrashVerdict::kFailed) << wrong.to_string();
    EXPECT_THAT(wrong.failures.at(0).message, HasSubstr("line 1 is behind"));
    const CrashReport right = number_test(/*fences=*/true, close_all, mode).explore();
    EXPECT_EQ(right.verdict, CrashVerdict::kExhaustive) << right.to_string();
  }
}

void expect_stuck(void (*hang)(), CrashTestOptions mode) {
  mode.stuck_seconds = 2;
  const CrashReport report = number_test(true, at_number(2, hang), mode).explore();
  ASSERT_EQ(report.verdict, CrashVerdict::kFailed) << report.to_string();
  EXPECT_THAT(report.failures.at(0).message, StartsWith("recovery did not end within 2 s"));
}

// A search once waited for such a recovery as long as that waited for something else.
TEST(ProcessEnd, ARecoveryThatWaitsForEverIsAFailure) {
  const auto wait = [] {
    for (;;) ::pause();
  };
  for (const CrashTestOptions& mode : all_modes()) expect_stuck(wait, mode);
}

TEST(ProcessEnd, NoneKeepsTheParentFromEndingIt) {
  expect_stuck([] { ::raise(SIGSTOP); }, {});
  expect_stuck(
      [] {
        std::signal(SIGPROF, SIG_IGN);
        for (volatile bool forever = true; forever;) {
        }
      },
      {});
}

TEST(ProcessEnd, TimeInTheKernelCounts) {
  for (CrashTestOptions mode : all_modes()) {
    mode.recovery_seconds = 0.2;
    const CrashReport report = number_test(true,
                                           at_number(2,
                                                     [] {
                                                       for (;;) ::getppid();
                                                     }),
                                           mode)
                                   .explore();
    ASSERT_EQ(report.verdict, CrashVerdict::kFailed) << report.to_string();
    EXPECT_EQ(report.failures.at(0).message, "recovery did not end within 0.2 s of processor time");
  }
}

TEST(ProcessEnd, AnExceptionIsAFailureThatSaysWhatItSays) {
  std::vector<CrashTestOptions> modes = all_modes();
  modes.emplace_back().in_process = true;
  for (const CrashTestOptions& mode : modes) {
    const auto throws = [] { throw std::runtime_error("no such page"); };
    const CrashReport recover = number_test(true, at_number(2, throws), mode).explore();
    ASSERT_EQ(recover.failures.size(), 1U) << recover.to_string();
    EXPECT_EQ(recover.failures[0].message, "recovery threw an exception: no such page");

    const auto ignores = [](SimulatedMachine&) {};
    const CrashReport check = number_test(true, ignores, mode)
                                  .check([](const std::uint64_t& number, const CrashHistory&) {
                                    if (number == 1) throw 1;
                                    return Status();
                                  })
                                  .explore();
    ASSERT_EQ(check.failures.size(), 1U) << check.to_string();
    EXPECT_EQ(check.failures[0].message, "check threw something that is no std::exception");
  }
}

TEST(ProcessEnd, AWorkloadThatThrowsDoesNotRun) {
  const auto ignores = [](SimulatedMachine&) {};
  const CrashReport run = number_test(true, ignores)
                              .run([](SimulatedMachine&, CrashRun& run_of) {
                                run_of.operation("x", [] { throw std::runtime_error("no room"); });
                              })
                              .explore();
  EXPECT_EQ(run.verdict, CrashVerdict::kInconclusive);
  EXPECT_THAT(run.problem, HasSubstr("the workload itself does not run: run threw an exception: "
                                     "no room"));
  const CrashReport setup =
      number_test(true, ignores)
          .setup([](SimulatedMachine&) { throw std::runtime_error("no format"); })
          .explore();
  EXPECT_THAT(setup.problem, HasSubstr("setup threw an exception: no format"));
}

}  // namespace
}  // namespace nacre
