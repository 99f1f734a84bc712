#include "tools/demo_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "nacre/clock.h"
#include "tests/support/result_matchers.h"

namespace nacre::tools {
namespace {

using test::has_code;
using testing::ElementsAre;

WriterPlan shell(const std::string& script) {
  return {.program = "/bin/sh", .arguments = {"-c", script}};
}

class DemoWriter : public testing::Test {
 protected:
  Result<WriterOutcome> run(const WriterPlan& plan) {
    return run_writer(plan, clock_, [this](std::uint64_t mark) { watermarks_.push_back(mark); });
  }

  SystemClock clock_;
  std::vector<std::uint64_t> watermarks_;
};

TEST_F(DemoWriter, HearsEveryWatermark) {
  ASSERT_OK_AND_ASSIGN(const WriterOutcome outcome, run(shell("echo 5 >&3; echo 17 >&3")));
  EXPECT_THAT(watermarks_, ElementsAre(5, 17));
  EXPECT_EQ(outcome.reopened_at, 5U);
  EXPECT_EQ(outcome.acknowledged, 17U);
  EXPECT_FALSE(outcome.killed);
  EXPECT_EQ(outcome.exit_status, 0);
}

TEST_F(DemoWriter, KillsOnceTheWatermarkIsReached) {
  WriterPlan plan = shell("echo 0 >&3; echo 17 >&3; while :; do :; done");
  plan.kill_at = 10;
  ASSERT_OK_AND_ASSIGN(const WriterOutcome outcome, run(plan));
  EXPECT_TRUE(outcome.killed);
  EXPECT_EQ(outcome.acknowledged, 17U);
}

TEST_F(DemoWriter, TellsHowAWriterEndedThatWasNotKilled) {
  WriterPlan plan = shell("echo 1 >&3; exit 2");
  plan.kill_at = 10;
  ASSERT_OK_AND_ASSIGN(const WriterOutcome outcome, run(plan));
  EXPECT_FALSE(outcome.killed);
  EXPECT_EQ(outcome.exit_status, 2);
}

TEST_F(DemoWriter, ReportsAWriterThatCrashes) {
  EXPECT_THAT(run(shell("kill -SEGV $$")), has_code(ErrorCode::kIo));
}

TEST_F(DemoWriter, ReportsAProgramThatIsNotThere) {
  WriterPlan plan = shell("");
  plan.program = "/nowhere/nacre";
  EXPECT_THAT(run(plan), has_code(ErrorCode::kIo));
}

TEST_F(DemoWriter, RefusesWhatIsNoWatermark) {
  EXPECT_THAT(run(shell("echo hello >&3")), has_code(ErrorCode::kCorruption));
}

TEST(WatermarkParser, JoinsPieces) {
  WatermarkParser parser;
  std::vector<std::uint64_t> found;
  const auto note = [&](std::uint64_t watermark) { found.push_back(watermark); };
  ASSERT_OK(parser.feed("1", note));
  ASSERT_OK(parser.feed("2\n3", note));
  ASSERT_OK(parser.feed("4\n56\n7", note));
  EXPECT_THAT(found, ElementsAre(12, 34, 56));
}

}  // namespace
}  // namespace nacre::tools
