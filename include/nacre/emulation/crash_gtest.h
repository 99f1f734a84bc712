#pragma once

// Crash tests in GoogleTest.
//
//   TEST(Stack, SurvivesEveryCrash) {
//     EXPECT_CRASH_SAFE(CrashTest<Values>(crash_options_from_flags()).run(...)....explore());
//   }
//
// The flags of nacre/emulation/crash_flags.h then stand beside GoogleTest's own; a main() for them
// is not needed.
//
// Thread safety: as GoogleTest's assertions.

#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "nacre/emulation/crash_flags.h"
#include "nacre/emulation/crash_report.h"
#include "nacre/emulation/crash_test.h"

namespace nacre {

/// `options` as the flags of this process change them. Flags that make no sense fail the test.
inline CrashTestOptions crash_options_from_flags(CrashTestOptions options = {}) {
  const Result<CrashFlags> flags = crash_flags();
  if (!flags) {
    ADD_FAILURE() << flags.error().to_string();
    return options;
  }
  return flags->apply(std::move(options));
}

/// The test that runs, as a command line that runs it alone.
inline std::string crash_test_command() {
  std::string command = program_name();
  const testing::TestInfo* const test = testing::UnitTest::GetInstance()->current_test_info();
  if (test != nullptr) {
    command += std::string(" --gtest_filter=") + test->test_suite_name() + "." + test->name();
  }
  return command;
}

/// What a failure tells to do next.
inline std::string crash_test_advice(const CrashReport& report) {
  const std::string command = crash_test_command();
  std::string text;
  if (!report.failures.empty()) {
    text += "\nThis state alone (with --crash_in_process also under a debugger):\n  " + command +
            " --crash_repro=" + report.failures.front().reproduction + "\n";
  }
  return text + "All of it as a page, with a timeline:\n  " + command +
         " --crash_report=crash.html\n(Flags reach options that come from " +
         "crash_options_from_flags.)\n";
}

/// For EXPECT_CRASH_SAFE. Writes the report where `--crash_report` says so.
inline testing::AssertionResult crash_safe(const char*, const CrashReport& report) {
  std::string not_saved;
  if (const Result<CrashFlags> flags = crash_flags(); flags && !flags->report.empty()) {
    const Status saved = save_crash_report(report, flags->report);
    if (!saved) not_saved = "The report was not saved: " + saved.error().to_string() + "\n";
  }
  if (report.passed() && not_saved.empty()) return testing::AssertionSuccess();
  testing::AssertionResult failure = testing::AssertionFailure() << report.to_string();
  if (!report.passed()) failure << crash_test_advice(report);
  return failure << not_saved;
}

}  // namespace nacre

/// Passes when every state that was tried passed; see CrashReport::passed.
#define EXPECT_CRASH_SAFE(report) EXPECT_PRED_FORMAT1(::nacre::crash_safe, report)
#define ASSERT_CRASH_SAFE(report) ASSERT_PRED_FORMAT1(::nacre::crash_safe, report)
