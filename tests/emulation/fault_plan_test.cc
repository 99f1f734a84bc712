#include "nacre/emulation/fault_plan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <thread>
#include <vector>

namespace nacre {
namespace {

bool strikes(FaultPlan& plan, FileOperation operation, const std::string& path) {
  FileEvent event{.operation = operation, .path = path};
  const bool struck = plan.begin(event).has_value();
  plan.end(event);
  return struck;
}

/// One character for each of `count` writes to `path`: 'x' where one was struck.
std::string pattern(FaultPlan& plan, int count, const std::string& path = "a") {
  std::string text;
  for (int i = 0; i < count; ++i) {
    text += strikes(plan, FileOperation::kWrite, path) ? 'x' : '.';
  }
  return text;
}

TEST(FaultPlan, StrikesTheNthMatchAndAsManyAsAsked) {
  FaultPlan plan(1);
  plan.add({.nth = 3});
  EXPECT_EQ(pattern(plan, 6), "..x...");
  plan.add({.nth = 2, .times = 3});
  EXPECT_EQ(pattern(plan, 6), ".xxx..");
  plan.add({.nth = 4, .times = Fault::kAlways});
  EXPECT_EQ(pattern(plan, 8), "...xxxxx");
  plan.clear();
  EXPECT_EQ(pattern(plan, 4), "....");
}

TEST(FaultPlan, MatchesOperationAndPath) {
  FaultPlan plan(1);
  const std::size_t fault = plan.add(
      {.operation = FileOperation::kSync, .path_contains = ".seg", .times = Fault::kAlways});
  EXPECT_FALSE(strikes(plan, FileOperation::kSync, "a.log"));
  EXPECT_FALSE(strikes(plan, FileOperation::kSyncData, "a.seg"));
  EXPECT_TRUE(strikes(plan, FileOperation::kSync, "dir/a.seg"));
  EXPECT_EQ(plan.hits(fault), 1U);
}

TEST(FaultPlan, ARenameMatchesByEitherPath) {
  FaultPlan plan(1);
  plan.add({.operation = FileOperation::kRename, .path_contains = "new"});
  FileEvent event{.operation = FileOperation::kRename, .path = "a.tmp", .target = "a.new"};
  EXPECT_TRUE(plan.begin(event).has_value());
}

TEST(FaultPlan, TheFirstFaultAddedWinsAndOthersCountOn) {
  FaultPlan plan(1);
  plan.add({.sys_errno = EIO, .nth = 2});
  plan.add({.sys_errno = ENOSPC, .nth = 2, .times = 2});
  std::vector<int> errnos;
  for (int i = 0; i < 4; ++i) {
    FileEvent event{.operation = FileOperation::kWrite, .path = "a"};
    const auto fault = plan.begin(event);
    errnos.push_back(fault ? fault->sys_errno : 0);
  }
  EXPECT_EQ(errnos, (std::vector<int>{0, EIO, ENOSPC, 0}));
}

TEST(FaultPlan, ChanceFollowsFromTheSeedAlone) {
  const auto struck_from = [](std::uint64_t seed, bool with_another) {
    FaultPlan plan(seed);
    plan.add({.times = Fault::kAlways, .probability = 0.3});
    if (with_another) {
      plan.add({.operation = FileOperation::kRead, .times = Fault::kAlways, .probability = 0.5});
      for (int i = 0; i < 7; ++i) strikes(plan, FileOperation::kRead, "a");
    }
    return pattern(plan, 1000);
  };
  const std::string struck = struck_from(7, false);
  EXPECT_EQ(struck_from(7, true), struck);
  EXPECT_NE(struck_from(8, false), struck);
  // Five standard deviations around 300.
  EXPECT_NEAR(static_cast<double>(std::ranges::count(struck, 'x')), 300, 73);
}

TEST(FaultPlan, CountsAndTracesWhatWasDone) {
  FaultPlan plan(1);
  strikes(plan, FileOperation::kWrite, "a");
  strikes(plan, FileOperation::kSyncData, "a");
  strikes(plan, FileOperation::kWrite, "b");
  EXPECT_EQ(plan.count(FileOperation::kWrite), 2U);
  EXPECT_EQ(plan.count(FileOperation::kSyncData), 1U);
  EXPECT_EQ(plan.count(FileOperation::kRead), 0U);
  const std::vector<FileEvent> trace = plan.trace();
  ASSERT_EQ(trace.size(), 3U);
  EXPECT_EQ(trace[1].operation, FileOperation::kSyncData);
  EXPECT_EQ(trace[2].path, "b");
  EXPECT_EQ(trace[2].started, 3U);
  plan.clear_trace();
  EXPECT_TRUE(plan.trace().empty());
  EXPECT_EQ(plan.count(FileOperation::kWrite), 2U);
}

TEST(FaultPlan, TheTraceKeepsTheNewestEvents) {
  FaultPlan plan(1);
  for (std::size_t i = 0; i < FaultPlan::kMaxTraceEvents + 2; ++i) {
    strikes(plan, FileOperation::kStat, "a");
  }
  EXPECT_EQ(plan.trace().size(), FaultPlan::kMaxTraceEvents);
  EXPECT_EQ(plan.trace().front().started, 3U);
}

TEST(FaultPlan, TheHookSeesEachOperationAndMayUseThePlan) {
  FaultPlan plan(1);
  std::vector<std::uint64_t> counts;
  plan.before_each([&](const FileEvent& event) { counts.push_back(plan.count(event.operation)); });
  strikes(plan, FileOperation::kRead, "a");
  strikes(plan, FileOperation::kRead, "a");
  plan.before_each(nullptr);
  strikes(plan, FileOperation::kRead, "a");
  EXPECT_EQ(counts, (std::vector<std::uint64_t>{1, 2}));
}

TEST(FaultPlan, MayBeChangedWhileOperationsRun) {
  FaultPlan plan(1);
  std::vector<std::thread> users;
  for (int i = 0; i < 4; ++i) {
    users.emplace_back([&plan] {
      for (int j = 0; j < 200; ++j) {
        plan.add({.operation = FileOperation::kSize});
        strikes(plan, FileOperation::kWrite, "a");
      }
    });
  }
  for (std::thread& user : users) user.join();
  EXPECT_EQ(plan.count(FileOperation::kWrite), 800U);
  EXPECT_EQ(plan.trace().size(), 800U);
}

TEST(FaultPlan, EveryOperationHasItsOwnName) {
  EXPECT_EQ(file_operation_name(FileOperation::kOpen), "open");
  EXPECT_EQ(file_operation_name(FileOperation::kSyncData), "sync_data");
  EXPECT_EQ(file_operation_name(FileOperation::kSyncDirectory), "sync_directory");
}

TEST(FaultPlanDeathTest, RefusesEffectsThatDoNotFit) {
  FaultPlan plan(1);
  EXPECT_DEATH(plan.add({.operation = FileOperation::kRead, .effect = FaultEffect::kTornWrite}),
               "effect_fits");
  EXPECT_DEATH(plan.add({.operation = FileOperation::kRead, .effect = FaultEffect::kSkip}),
               "effect_fits");
  EXPECT_DEATH(plan.add({.operation = FileOperation::kWrite, .effect = FaultEffect::kFlippedBit}),
               "effect_fits");
  EXPECT_DEATH(plan.add({.sys_errno = 0}), "effect_fits");
  EXPECT_DEATH(plan.add({.nth = 0}), "nth");
}

}  // namespace
}  // namespace nacre
