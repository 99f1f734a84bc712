// A recovery whose process is killed, another one that sees all it had done, and a power cut behind
// that.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <utility>

#include "lib/base/try.h"
#include "nacre/emulation/crash_test.h"
#include "nacre/emulation/simulated_machine.h"
#include "tests/emulation/explorer/process_kill.h"

namespace nacre {
namespace {

using test::kLine;
using test::with_kills;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;

std::uint64_t number_at(SimulatedMachine& machine, std::size_t offset) {
  std::uint64_t value = 0;
  std::memcpy(&value, machine.region().load(offset, sizeof value).data(), sizeof value);
  return value;
}

/// Recovery applies what was logged, and then empties the log. With `trusts` it flushes only what
/// it has applied itself, and not what it finds applied.
CrashReport explore_redo(bool trusts, CrashTestOptions options) {
  constexpr std::size_t kLogged = kLine;
  constexpr std::size_t kApplied = 2 * kLine;
  return CrashTest<std::uint64_t>(std::move(options))
      .run([](SimulatedMachine& machine, CrashRun& run) {
        for (std::uint64_t i = 1; i <= 2; ++i) {
          run.operation(fmt::format("log {}", i), [&] {
            machine.region().store_u64(kLogged, i);
            machine.region().fence();
          });
        }
      })
      .recover([=](SimulatedMachine& machine) -> Result<std::uint64_t> {
        pmem::Region& region = machine.region();
        // What is seen of the log is durable, whoever was killed behind it.
        region.flush(kLogged, kLine);
        if (!trusts) region.flush(kApplied, kLine);
        region.fence();
        const std::uint64_t logged = number_at(machine, kLogged);
        if (logged == 0) return number_at(machine, kApplied);
        if (number_at(machine, kApplied) != logged) region.store_u64(kApplied, logged);
        region.fence();
        region.store_u64(kLogged, 0);
        region.fence();
        return number_at(machine, kApplied);
      })
      .check([](const std::uint64_t& found, const CrashHistory& history) -> Status {
        if (found >= history.completed_count() && found <= history.begun_count()) return {};
        return Error(ErrorCode::kCorruption, fmt::format("applied up to {}", found));
      })
      .explore();
}

// The second recovery took what the first had stored for durable: that one had been killed before
// its fence. No power cut alone leaves that.
TEST(RecoveryKill, CatchesARecoveryThatTrustsTheOneThatWasKilled) {
  EXPECT_EQ(explore_redo(/*trusts=*/true, {}).verdict, CrashVerdict::kExhaustive);
  const CrashReport report = explore_redo(/*trusts=*/true, with_kills());
  ASSERT_EQ(report.verdict, CrashVerdict::kFailed) << report.to_string();
  const CrashFailure& failure = report.failures.at(0);
  EXPECT_THAT(failure.crash_point, HasSubstr("in the recovery from that, of the process alone, "
                                             "killed before the fence, and a power cut in the "
                                             "recovery from that, "));
  EXPECT_THAT(failure.reproduction, MatchesRegex("1:[0-9a-f]+:[0-9]+o[0-9=,]*:[0-9]+k:[0-9]+n0=0"));
  ASSERT_EQ(failure.granules.size(), 1U) << report.to_string();
  EXPECT_THAT(report.to_string(), HasSubstr("recovery has to flush it"));
  EXPECT_THAT(report.to_string(), ContainsRegex("killed .* in recovery"));
  EXPECT_THAT(report.to_json(), HasSubstr("\"recovery_kills\":"));
  EXPECT_THAT(report.to_html(), HasSubstr("kills in recovery"));
}

TEST(RecoveryKill, PassesARecoveryThatFlushesWhatAKilledOneHasLeft) {
  const CrashReport report = explore_redo(/*trusts=*/false, with_kills());
  EXPECT_EQ(report.verdict, CrashVerdict::kExhaustive) << report.to_string();
  EXPECT_GT(report.recovery_kills, 0U);
  // A fence makes durable there what others have made visible.
  EXPECT_EQ(explore_redo(/*trusts=*/true, with_kills(CrashModel::durable_cache())).verdict,
            CrashVerdict::kExhaustive);
}

TEST(RecoveryKill, KillsNoRecoveryWhereNoneIsCrashed) {
  CrashTestOptions options = with_kills();
  options.depth = 1;
  const CrashReport report = explore_redo(/*trusts=*/true, options);
  EXPECT_EQ(report.verdict, CrashVerdict::kExhaustive) << report.to_string();
  EXPECT_EQ(report.recovery_kills, 0U);
  // Nor where that is asked for.
  options.depth = 2;
  options.kill_recovery = false;
  const CrashReport workload_alone = explore_redo(/*trusts=*/true, options);
  EXPECT_EQ(workload_alone.verdict, CrashVerdict::kExhaustive) << workload_alone.to_string();
  EXPECT_EQ(workload_alone.recovery_kills, 0U);
}

TEST(RecoveryKill, RunsAgainWhatAKillInRecoveryHasShown) {
  const CrashReport found = explore_redo(/*trusts=*/true, with_kills());
  ASSERT_EQ(found.failures.size(), 1U) << found.to_string();
  CrashTestOptions options;
  options.reproduce = found.failures[0].reproduction;
  const CrashReport again = explore_redo(/*trusts=*/true, options);
  ASSERT_EQ(again.failures.size(), 1U) << again.to_string();
  EXPECT_EQ(again.failures[0].message, found.failures[0].message);
  EXPECT_EQ(again.failures[0].crash_point, found.failures[0].crash_point);
  EXPECT_EQ(again.failures[0].reproduction, found.failures[0].reproduction);
  EXPECT_THAT(again.to_string(), HasSubstr("recovery has to flush it"));
}

// What the power cut left open, and the first recovery did not read, is open for the second.
TEST(RecoveryKill, LeavesOpenWhatTheKilledRecoveryHasNotRead) {
  constexpr std::size_t kPayload = 3 * kLine;
  const auto explore = [](CrashTestOptions options) {
    options.recover_twice = false;
    options.max_failures = 100;
    return CrashTest<std::uint64_t>(std::move(options))
        .run([](SimulatedMachine& machine, CrashRun& run) {
          run.operation("put", [&] {
            machine.region().store_u64(kPayload, 7);
            machine.region().store_u64(0, 1);
            machine.region().fence();
          });
        })
        .recover([](SimulatedMachine& machine) -> Result<std::uint64_t> {
          const bool is_second = number_at(machine, kLine) == 1;
          if (is_second && number_at(machine, kPayload) == 0) {
            return Error(ErrorCode::kCorruption, "there is no payload");
          }
          if (!is_second && number_at(machine, 0) == 1) machine.region().store_u64(kLine, 1);
          return 0;
        })
        .check([](const std::uint64_t&, const CrashHistory&) { return Status(); })
        .explore();
  };
  const CrashReport found = explore(with_kills());
  std::size_t of_killed_recovery = 0;
  for (const CrashFailure& failure : found.failures) {
    const auto kills_recovery = testing::Matches(ContainsRegex("o[0-9=,]+:[0-9]+k[^:]*$"));
    if (!kills_recovery(failure.reproduction)) continue;
    ++of_killed_recovery;
    EXPECT_EQ(failure.granules.size() + failure.overtaken.size(), 1U) << found.to_string();
    CrashTestOptions options;
    options.reproduce = failure.reproduction;
    const CrashReport again = explore(options);
    ASSERT_EQ(again.failures.size(), 1U) << again.to_string();
    EXPECT_EQ(again.failures[0].message, failure.message);
    EXPECT_EQ(again.failures[0].reproduction, failure.reproduction);
  }
  EXPECT_EQ(of_killed_recovery, 1U) << found.to_string();
}

// What a killed recovery has done to names is done again over what the power cut before it left.
TEST(RecoveryKill, KeepsTheNamesThatAKilledRecoveryHasChanged) {
  for (const NameModel names : {NameModel::kPosixMinimum, NameModel::kOrderedJournal}) {
    CrashTestOptions options = with_kills();
    options.machine.model.names = names;
    const CrashReport report =
        CrashTest<bool>(std::move(options))
            .run([](SimulatedMachine& machine, CrashRun& run) {
              FileSystem& files = machine.file_system();
              run.operation("make", [&] {
                for (const char* const name : {"/other", "/draft"}) {
                  EXPECT_TRUE(files.open(name, {.writable = true, .create = true}));
                }
              });
            })
            .recover([](SimulatedMachine& machine) -> Result<bool> {
              FileSystem& files = machine.file_system();
              if (files.open("/draft", {})) NACRE_TRY(files.rename("/draft", "/done"));
              NACRE_TRY(files.sync_directory("/"));
              return files.open("/done", {}).has_value();
            })
            .check([](const bool&, const CrashHistory&) { return Status(); })
            .explore();
    EXPECT_EQ(report.verdict, CrashVerdict::kExhaustive) << report.to_string();
    EXPECT_GT(report.recovery_kills, 0U) << report.to_string();
    EXPECT_GT(report.distinct_outcomes, 1U) << report.to_string();
  }
}

}  // namespace
}  // namespace nacre
