#include "tools/crash_selection.h"

#include <gtest/gtest.h>

#include <span>
#include <string>
#include <vector>

#include "tests/support/result_matchers.h"

namespace nacre::tools {
namespace {

using testing::HasSubstr;

TEST(CrashSelection, NothingNamedIsEverySuiteUnderEveryModel) {
  const auto jobs = select_crash_jobs({}, "");
  ASSERT_OK(jobs);
  std::size_t pairs = 0;
  for (const CrashSuite& suite : crash_suites()) {
    for (const SuiteModel& model : suite_models()) pairs += runs_under(suite, model) ? 1U : 0U;
  }
  EXPECT_EQ(jobs->size(), pairs);
  EXPECT_GT(pairs, crash_suites().size());
}

TEST(CrashSelection, TakesWhatIsNamedOnce) {
  const std::vector<std::string> names = {"wal-batch", "wal-append", "wal-batch"};
  const auto jobs = select_crash_jobs(names, "block");
  ASSERT_OK(jobs);
  ASSERT_EQ(jobs->size(), 2U);
  EXPECT_EQ((*jobs)[0].suite.name, "wal-append");
  EXPECT_EQ((*jobs)[1].suite.name, "wal-batch");
  EXPECT_TRUE((*jobs)[1].model.block);
}

TEST(CrashSelection, NamesThatAreNotThereAreToldWithThoseThatAre) {
  const std::vector<std::string> names = {"wal-append", "wal-apend"};
  const auto suite = select_crash_jobs(names, "");
  ASSERT_FALSE(suite.has_value());
  EXPECT_EQ(suite.error().code(), ErrorCode::kInvalidArgument);
  EXPECT_THAT(suite.error().message(), HasSubstr("'wal-apend'; there are: wal-append, "));
  const auto model = select_crash_jobs({}, "tape");
  ASSERT_FALSE(model.has_value());
  EXPECT_EQ(model.error().code(), ErrorCode::kInvalidArgument);
  EXPECT_THAT(model.error().message(), HasSubstr("'tape'; there are: cache-line, "));
}

TEST(CrashSelection, WhatNeedsAQueueOfWritesRunsUnderBlockModelsAlone) {
  const std::vector<std::string> names = {"wal-two-writes", "wal-append"};
  const auto both = select_crash_jobs(names, "cache-line");
  ASSERT_OK(both);
  ASSERT_EQ(both->size(), 1U);
  EXPECT_EQ(both->front().suite.name, "wal-append");
  EXPECT_EQ(select_crash_jobs(names, "block")->size(), 2U);
  const auto none = select_crash_jobs(std::span(names).first(1), "cache-line");
  ASSERT_FALSE(none.has_value());
  EXPECT_EQ(none.error().code(), ErrorCode::kInvalidArgument);
  EXPECT_THAT(none.error().message(), HasSubstr("wal-two-writes does not run under cache-line"));
}

TEST(CrashSelection, SeveralPagesHaveNamesOfTheirOwn) {
  CrashJob job;
  job.suite.name = "s";
  job.model.name = "m";
  EXPECT_EQ(report_path("/tmp/a.b/out.html", job, true), "/tmp/a.b/out.html");
  EXPECT_EQ(report_path("/tmp/a.b/out.html", job, false), "/tmp/a.b/out-s-m.html");
  EXPECT_EQ(report_path("out", job, false), "out-s-m");
}

}  // namespace
}  // namespace nacre::tools
