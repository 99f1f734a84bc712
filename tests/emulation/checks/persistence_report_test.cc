// What is said about programs that flush and fence too little, or too much.

#include "nacre/emulation/persistence_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest-spi.h>
#include <gtest/gtest.h>

#include <cstring>
#include <thread>
#include <vector>

#include "tests/support/result_matchers.h"

namespace nacre {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

/// What is found in one operation.
PersistenceReport check(const std::function<void(pmem::Region&)>& operation) {
  auto report = check_persistence({}, {}, [&](SimulatedMachine& machine, CrashRun& run) {
    run.operation("update", [&] { operation(machine.region()); });
  });
  EXPECT_OK(report);
  return *std::move(report);
}

std::vector<PersistenceIssue> issues_of(const PersistenceReport& report) {
  std::vector<PersistenceIssue> issues;
  for (const PersistenceFinding& finding : report.findings) issues.push_back(finding.issue);
  return issues;
}

void store_plainly(pmem::Region& region, std::size_t offset, std::size_t words) {
  for (std::size_t i = 0; i < words; ++i) {
    const std::uint64_t value = i + 1;
    std::memcpy(region.data() + offset + i * sizeof value, &value, sizeof value);
  }
}

TEST(PersistenceReport, HasNothingToSayAboutAnUpdateInOrder) {
  const PersistenceReport report = check([](pmem::Region& region) {
    store_plainly(region, 64, 8);
    region.flush(64, 64);
    region.fence();
    region.store_u64(0, 1);
    region.fence();
  });
  EXPECT_THAT(report.findings, IsEmpty()) << report.to_string();
  ASSERT_EQ(report.operations.size(), 1U);
  EXPECT_EQ(report.operations[0].fences, 2U);
  EXPECT_EQ(report.operations[0].flushes, 2U);
  EXPECT_EQ(report.operations[0].lines_written, 2U);
  EXPECT_EQ(report.operations[0].stored_words, 9U);
  EXPECT_FENCES_LE(report, "update", 2);
  EXPECT_FLUSHES_LE(report, "up", 2);
  EXPECT_LINES_WRITTEN_LE(report, "", 2);
}

TEST(PersistenceReport, BoundsThatDoNotHoldFail) {
  static PersistenceReport report;
  report = check([](pmem::Region& region) {
    region.store_u64(0, 1);
    region.store_u64(64, 1);
    region.fence();
  });
  EXPECT_NONFATAL_FAILURE(EXPECT_FENCES_LE(report, "update", 0), "operation");
  EXPECT_NONFATAL_FAILURE(EXPECT_FLUSHES_LE(report, "update", 1), "operation");
  EXPECT_NONFATAL_FAILURE(EXPECT_LINES_WRITTEN_LE(report, "update", 1), "operation");
}

TEST(PersistenceReportDeathTest, ABoundOnNoOperationIsAMistake) {
  const PersistenceReport report = check([](pmem::Region& region) { region.fence(); });
  EXPECT_DEATH(static_cast<void>(report.most(&OperationCost::fences, "remove")), "found");
}

TEST(PersistenceReport, AnOperationReturnsBeforeItsStoreIsDurable) {
  EXPECT_THAT(issues_of(check([](pmem::Region& region) { store_plainly(region, 64, 1); })),
              ElementsAre(PersistenceIssue::kNotDurableAtReturn));
  EXPECT_THAT(issues_of(check([](pmem::Region& region) { region.store_u64(64, 1); })),
              ElementsAre(PersistenceIssue::kNotDurableAtReturn));
}

TEST(PersistenceReport, AFlushMissesTheTailOfAStore) {
  const PersistenceReport report = check([](pmem::Region& region) {
    store_plainly(region, 120, 2);  // Its second word is in the next line.
    region.flush(120, 8);
    region.fence();
  });
  EXPECT_THAT(issues_of(report), ElementsAre(PersistenceIssue::kMissedTail)) << report.to_string();
}

TEST(PersistenceReport, AFenceDoesNotWaitForAnotherThread) {
  const PersistenceReport report = check([](pmem::Region& region) {
    std::thread([&] { region.store_u64(0, 1); }).join();
    region.fence();
  });
  EXPECT_THAT(issues_of(report), ElementsAre(PersistenceIssue::kNotDurableAtReturn,
                                             PersistenceIssue::kFenceOfAnotherThread))
      << report.to_string();
}

TEST(PersistenceReport, OneFenceForACommitAndWhatItCommits) {
  const PersistenceReport report = check([](pmem::Region& region) {
    region.copy(64, as_bytes("a payload of 24 bytes..."));
    region.store_u64(0, 1);
    region.fence();
  });
  ASSERT_THAT(issues_of(report), ElementsAre(PersistenceIssue::kUnorderedCommit))
      << report.to_string();
  EXPECT_THAT(report.mistakes(), testing::SizeIs(1));
  EXPECT_THAT(report.to_string(), HasSubstr("made durable by the same fence"));
  EXPECT_THAT(report.findings[0].site, HasSubstr("persistence_report_test.cc"));
  EXPECT_THAT(report.findings[0].other, HasSubstr("persistence_report_test.cc"));
}

TEST(PersistenceReport, FlushesThatWriteNothingBack) {
  EXPECT_THAT(issues_of(check([](pmem::Region& region) { region.flush(0, 64); })),
              ElementsAre(PersistenceIssue::kCleanFlush));
  EXPECT_THAT(issues_of(check([](pmem::Region& region) {
                region.store_u64(0, 1);
                region.flush(0, 8);
                region.fence();
              })),
              ElementsAre(PersistenceIssue::kRepeatedFlush));
  EXPECT_THAT(issues_of(check([](pmem::Region& region) {
                region.stream(0, as_bytes("head"), as_bytes("body"));
                region.flush(0, 64);
                region.fence();
              })),
              ElementsAre(PersistenceIssue::kFlushOfStreamed));
}

TEST(PersistenceReport, AFenceWithNothingToWaitFor) {
  EXPECT_THAT(issues_of(check([](pmem::Region& region) { region.fence(); })),
              ElementsAre(PersistenceIssue::kEmptyFence));
}

TEST(PersistenceReport, AStoreOverOneThatIsNotDurable) {
  EXPECT_THAT(issues_of(check([](pmem::Region& region) {
                region.store_u64(0, 1);
                region.store_u64(0, 2);
                region.fence();
              })),
              ElementsAre(PersistenceIssue::kOverwritten));
}

TEST(PersistenceReport, FindingsOfOnePlaceAreOne) {
  const PersistenceReport report = check([](pmem::Region& region) {
    for (int i = 0; i < 5; ++i) region.fence();
  });
  ASSERT_EQ(report.findings.size(), 1U);
  EXPECT_EQ(report.findings[0].count, 5U);
  EXPECT_EQ(report.findings[0].operation, "update");
}

TEST(PersistenceReport, WhatTheSetupDoesIsNotLookedAt) {
  const auto report = check_persistence(
      {}, [](SimulatedMachine& machine) { machine.region().fence(); },
      [](SimulatedMachine& machine, CrashRun& run) {
        run.operation("store", [&] {
          machine.region().store_u64(0, 1);
          machine.region().fence();
        });
      });
  ASSERT_OK(report);
  EXPECT_THAT(report->findings, IsEmpty()) << report->to_string();
}

}  // namespace
}  // namespace nacre
