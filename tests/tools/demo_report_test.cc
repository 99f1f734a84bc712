#include "tools/demo_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace nacre::tools {
namespace {

using testing::HasSubstr;
using testing::Not;

DemoReport report_of_two_kills() {
  DemoReport report;
  report.source.records = 100;
  report.log = "demo/log";
  report.kills_wanted = 2;
  report.legs = {{.reopened_at = 0, .acknowledged = 10, .recovery_ns = 7'000, .killed = true},
                 {.reopened_at = 12, .acknowledged = 50, .recovery_ns = 3'000, .killed = true},
                 {.reopened_at = 50, .acknowledged = 100, .recovery_ns = 5'000, .killed = false}};
  report.final_recovery_ns = 1'000;
  report.acknowledged = 100;
  report.comparison.equal = 100;
  return report;
}

TEST(DemoReport, SaysThatNothingWasLost) {
  const DemoReport report = report_of_two_kills();
  EXPECT_TRUE(report.good());
  const std::string text = demo_report_text(report, 100);
  EXPECT_THAT(text, HasSubstr("lost         0\n"));
  EXPECT_THAT(text, HasSubstr("Nothing acknowledged was lost"));
  EXPECT_THAT(text, HasSubstr("cat demo/log records"));
}

// The first writer creates the log and recovers nothing.
TEST(DemoReport, CountsOnlyRecoveriesOfSomething) {
  EXPECT_THAT(demo_report_text(report_of_two_kills(), 100),
              HasSubstr("median 3.0 µs, worst 5.0 µs, of 3 openings"));
}

TEST(DemoReport, CountsWhatWasLostBetweenTheWriters) {
  DemoReport report = report_of_two_kills();
  report.lost_at_reopening = 3;
  EXPECT_FALSE(report.good());
  EXPECT_EQ(report.lost(), 3U);
  EXPECT_THAT(demo_report_text(report, 100), Not(HasSubstr("Nothing acknowledged was lost")));
}

TEST(DemoReport, IsNotGoodWhenTheSourceWasNotReadToItsEnd) {
  DemoReport report = report_of_two_kills();
  report.acknowledged = 99;
  report.comparison.equal = 99;
  EXPECT_FALSE(report.good());
  EXPECT_THAT(demo_report_text(report, 100), HasSubstr("99 acknowledged as durable, but the "));
}

TEST(DemoReport, SaysThatFewerKillsFoundTheirMoment) {
  DemoReport report = report_of_two_kills();
  report.kills_wanted = 5;
  EXPECT_THAT(demo_report_text(report, 200), HasSubstr("5 were wanted"));
}

TEST(DemoReport, IsJsonForMachines) {
  const std::string json = demo_report_json(report_of_two_kills());
  EXPECT_THAT(json, HasSubstr("\"lost\":0"));
  EXPECT_THAT(json, HasSubstr("\"kill_points\":[10,50]"));
  EXPECT_THAT(json, HasSubstr("\"recovery_ns\":[1000,3000,5000]"));
}

}  // namespace
}  // namespace nacre::tools
