#include "nacre/emulation/crash_flags.h"

#include <gmock/gmock.h>
#include <gtest/gtest-spi.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "nacre/emulation/crash_gtest.h"
#include "tests/support/file_bytes.h"
#include "tests/support/temp_directory.h"

namespace nacre {
namespace {

using testing::HasSubstr;

Result<CrashFlags> parse(std::vector<std::string> arguments) {
  return parse_crash_flags(arguments);
}

TEST(CrashFlags, LeavesOtherFlagsAlone) {
  const auto flags = parse({"program", "--gtest_filter=A.b", "crash_seed=3", "-v"});
  ASSERT_TRUE(flags);
  EXPECT_TRUE(flags->reproduce.empty());
  EXPECT_FALSE(flags->seed);
}

TEST(CrashFlags, ChangesOptions) {
  const auto flags = parse({"program", "--crash_repro=1:a:2o0=1", "--crash_seed=7",
                            "--crash_report=/tmp/x.html", "--crash_in_process", "--crash_kills"});
  ASSERT_TRUE(flags);
  const CrashTestOptions options = flags->apply({.max_states = 12});
  EXPECT_EQ(options.reproduce, "1:a:2o0=1");
  EXPECT_EQ(options.seed, 7U);
  EXPECT_TRUE(options.timeline);
  EXPECT_TRUE(options.in_process);
  EXPECT_TRUE(options.process_kills);
  EXPECT_EQ(options.max_states, 12U);
  EXPECT_EQ(flags->report, "/tmp/x.html");
}

// A test that says by name how its states are run is still to be debugged.
TEST(CrashFlags, InProcessComesBeforeWhatTheTestSays) {
  const auto flags = parse({"--crash_in_process"});
  ASSERT_TRUE(flags);
  const CrashTestOptions options = flags->apply({.jobs = 4, .fork_each_state = true});
  EXPECT_TRUE(options.in_process);
  EXPECT_FALSE(options.fork_each_state);
  EXPECT_EQ(options.jobs, 1U);
}

TEST(CrashFlags, RefusesWhatMakesNoSense) {
  for (const char* const argument : {"--crash_seed=x", "--crash_seed=1x", "--crash_seed=",
                                     "--crash_repro=", "--crash_report", "--crash_rerpo=1:2:3o"}) {
    const auto flags = parse({argument});
    ASSERT_FALSE(flags) << argument;
    EXPECT_EQ(flags.error().code(), ErrorCode::kInvalidArgument) << argument;
  }
}

TEST(CrashFlags, ComeFromTheEnvironment) {
  ::setenv("CRASH_SEED", "11", 1);
  EXPECT_EQ(crash_options_from_flags({.seed = 3}).seed, 11U);
  ::unsetenv("CRASH_SEED");
  EXPECT_EQ(crash_options_from_flags({.seed = 3}).seed, 3U);
}

CrashReport failed_report() {
  CrashReport report;
  report.verdict = CrashVerdict::kFailed;
  report.failures.resize(1);
  report.failures[0].message = "it is torn";
  report.failures[0].reproduction = "1:2:3o4=5";
  return report;
}

TEST(CrashGtest, AFailureSaysHowToRunItAgain) {
  const testing::AssertionResult result = crash_safe("", failed_report());
  EXPECT_FALSE(result);
  EXPECT_THAT(result.message(), HasSubstr("it is torn"));
  EXPECT_THAT(result.message(), HasSubstr("emulation_crash_flags_test "
                                          "--gtest_filter=CrashGtest.AFailureSaysHowToRunItAgain "
                                          "--crash_repro=1:2:3o4=5\n"));
  EXPECT_NONFATAL_FAILURE(EXPECT_CRASH_SAFE(failed_report()), "it is torn");
}

TEST(CrashGtest, WhatTestedNothingDoesNotPass) {
  EXPECT_NONFATAL_FAILURE(EXPECT_CRASH_SAFE(CrashReport()), "nothing was tested");
}

TEST(CrashGtest, WritesTheReportWhereItIsAskedTo) {
  const test::TempDirectory directory;
  const std::string page = (directory.path() / "report.html").string();
  CrashReport report;
  report.verdict = CrashVerdict::kExhaustive;
  ::setenv("CRASH_REPORT", page.c_str(), 1);
  EXPECT_CRASH_SAFE(report);
  ::setenv("CRASH_REPORT", (directory.path() / "no" / "report.html").c_str(), 1);
  EXPECT_NONFATAL_FAILURE(EXPECT_CRASH_SAFE(report), "cannot create the report");
  // It was told in place of the failure that it was to hold.
  EXPECT_NONFATAL_FAILURE(EXPECT_CRASH_SAFE(failed_report()), "it is torn");
  EXPECT_NONFATAL_FAILURE(EXPECT_CRASH_SAFE(failed_report()), "cannot create the report");
  ::unsetenv("CRASH_REPORT");
  EXPECT_EQ(test::file_content(page), report.to_html());
  const std::string json = (directory.path() / "report.json").string();
  ASSERT_TRUE(save_crash_report(report, json));
  EXPECT_EQ(test::file_content(json), report.to_json());
}

}  // namespace
}  // namespace nacre
