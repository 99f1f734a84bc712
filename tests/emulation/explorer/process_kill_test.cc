// A workload whose process is killed, a recovery that sees all it had done, and a power cut behind
// that.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <utility>
#include <vector>

#include "lib/base/try.h"
#include "nacre/emulation/crash_test.h"
#include "nacre/emulation/simulated_machine.h"
#include "tests/emulation/explorer/process_kill.h"

namespace nacre {
namespace {

using test::kLine;
using test::with_kills;
using ::testing::AllOf;
using ::testing::HasSubstr;
using Values = std::vector<std::uint64_t>;

/// Between what was acknowledged and what was begun, each in its place.
Status check_values(const Values& values, const CrashHistory& history) {
  if (values.size() < history.completed_count() || values.size() > history.begun_count()) {
    return Error(ErrorCode::kCorruption, fmt::format("{} values after {} pushes", values.size(),
                                                     history.completed_count()));
  }
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (values[i] != i + 1) {
      return Error(ErrorCode::kCorruption, fmt::format("value {} is {}", i, values[i]));
    }
  }
  return {};
}

/// A stack in memory: a count, then the values, a line each.
class Stack {
 public:
  explicit Stack(pmem::Region& region) : region_(region) {}

  void push(std::uint64_t value) {
    const std::uint64_t count = number_at(0);
    region_.store_u64((count + 1) * kLine, value);
    region_.fence();
    region_.store_u64(0, count + 1);
    region_.fence();
  }
  /// What a writer that died has left is durable.
  void settle() {
    region_.flush(0, kLine);
    region_.fence();
  }
  Values values() {
    Values values;
    const std::uint64_t count = number_at(0);
    for (std::uint64_t i = 1; i <= count; ++i) values.push_back(number_at(i * kLine));
    return values;
  }

 private:
  std::uint64_t number_at(std::size_t offset) {
    std::uint64_t value = 0;
    std::memcpy(&value, region_.load(offset, sizeof value).data(), sizeof value);
    return value;
  }
  pmem::Region& region_;
};

enum class Settles : std::uint8_t { kNever, kBeforeAnswer, kAfterAnswer, kAtReturn };

Result<Values> recover_stack(SimulatedMachine& machine, Settles settles) {
  Stack stack(machine.region());
  if (settles == Settles::kBeforeAnswer) stack.settle();
  Values values = stack.values();
  if (settles != Settles::kAtReturn) machine.mark_answered();
  if (settles == Settles::kAfterAnswer || settles == Settles::kAtReturn) stack.settle();
  return values;
}

CrashReport explore_stack(Settles settles, CrashTestOptions options) {
  return CrashTest<Values>(std::move(options))
      .run([](SimulatedMachine& machine, CrashRun& run) {
        Stack stack(machine.region());
        for (std::uint64_t i = 1; i <= 3; ++i) {
          run.operation(fmt::format("push {}", i), [&] { stack.push(i); });
        }
      })
      .recover([settles](SimulatedMachine& machine) { return recover_stack(machine, settles); })
      .check(check_values)
      .explore();
}

TEST(ProcessKill, PassesARecoveryThatSettlesWhatItFinds) {
  for (const CrashModel& model : {CrashModel::cache_line(), CrashModel::durable_cache()}) {
    const CrashReport report = explore_stack(Settles::kBeforeAnswer, with_kills(model));
    EXPECT_EQ(report.verdict, CrashVerdict::kExhaustive) << report.to_string();
    // In each push behind the value and behind the count, and one once it has ended.
    EXPECT_EQ(report.kill_points, 9U) << report.to_string();
    EXPECT_GT(report.nested_states, 0U) << report.to_string();
  }
}

TEST(ProcessKill, IsTriedOnlyWhereItIsAskedFor) {
  const CrashReport report = explore_stack(Settles::kNever, {});
  EXPECT_EQ(report.verdict, CrashVerdict::kExhaustive) << report.to_string();
  EXPECT_EQ(report.kill_points, 0U);
}

// The count that is not durable yet is taken at its word, and lost.
TEST(ProcessKill, CatchesARecoveryThatLetsUnflushedDataCount) {
  for (const CrashModel& model : {CrashModel::cache_line(), CrashModel::durable_cache()}) {
    const CrashReport report = explore_stack(Settles::kNever, with_kills(model));
    ASSERT_EQ(report.verdict, CrashVerdict::kFailed) << report.to_string();
    const CrashFailure& failure = report.failures.at(0);
    EXPECT_THAT(failure.message, HasSubstr("than the recovery before it had returned"));
    EXPECT_EQ(failure.crash_point,
              "of the process alone, killed before the fence in push 1, and a power cut in the "
              "recovery from that, once recovery had its answer");
    ASSERT_EQ(failure.granules.size(), 1U) << report.to_string();
    EXPECT_EQ(failure.granules[0].address, 0U);
    EXPECT_THAT(failure.granules[0].lost_store, HasSubstr("Stack::push"));
    EXPECT_THAT(report.to_string(), HasSubstr("killed at "));
    EXPECT_THAT(report.to_json(), AllOf(HasSubstr("\"kill_points\":"),
                                        HasSubstr("of the process alone, killed before")));
    EXPECT_THAT(report.to_html(), AllOf(HasSubstr("kills of the process"),
                                        HasSubstr("of the process alone, killed before")));
  }
}

TEST(ProcessKill, SaysWhatRecoveryLacks) {
  const CrashReport report = explore_stack(Settles::kNever, with_kills());
  ASSERT_EQ(report.verdict, CrashVerdict::kFailed) << report.to_string();
  EXPECT_THAT(report.failures.at(0).granules.at(0).hint,
              HasSubstr("killed before it fenced: recovery has to flush it"));
}

TEST(ProcessKill, WhatIsDurableOnlyBehindTheAnswerIsTooLate) {
  EXPECT_EQ(explore_stack(Settles::kAtReturn, with_kills()).verdict, CrashVerdict::kExhaustive);
  const CrashReport report = explore_stack(Settles::kAfterAnswer, with_kills());
  ASSERT_EQ(report.verdict, CrashVerdict::kFailed) << report.to_string();
  EXPECT_THAT(report.failures.at(0).crash_point, HasSubstr("once recovery had its answer"));
}

TEST(ProcessKill, RunsTheStateThatAFailureNames) {
  const CrashReport found = explore_stack(Settles::kNever, with_kills());
  ASSERT_EQ(found.failures.size(), 1U) << found.to_string();
  EXPECT_THAT(found.failures[0].reproduction, HasSubstr("k:"));
  // Whoever runs it again need not say that it was found by a kill.
  CrashTestOptions options;
  options.reproduce = found.failures[0].reproduction;
  const CrashReport again = explore_stack(Settles::kNever, options);
  ASSERT_EQ(again.failures.size(), 1U) << again.to_string();
  EXPECT_EQ(again.failures[0].message, found.failures[0].message);
  EXPECT_EQ(again.failures[0].crash_point, found.failures[0].crash_point);
  EXPECT_EQ(again.failures[0].reproduction, found.failures[0].reproduction);
}

TEST(ProcessKill, IsOnTheTimeline) {
  CrashTestOptions options = with_kills();
  options.timeline = true;
  const CrashReport report = explore_stack(Settles::kBeforeAnswer, options);
  std::size_t kills = 0;
  std::uint64_t states = 0;
  for (const CrashPointSummary& point : report.timeline.points) {
    if (!point.kill) continue;
    ++kills;
    states += point.states;
    EXPECT_THAT(point.description, HasSubstr("killed"));
  }
  EXPECT_EQ(kills, report.kill_points);
  // What is visible is decided: one state each.
  EXPECT_EQ(states, report.kill_points);
  EXPECT_THAT(report.to_json(), HasSubstr("\"kill\":true"));
}

TEST(ProcessKill, IsTriedInEachProcessAndInTheCallingOne) {
  const CrashReport alone = explore_stack(Settles::kBeforeAnswer, with_kills());
  CrashTestOptions options = with_kills();
  options.jobs = 3;
  const CrashReport shared = explore_stack(Settles::kBeforeAnswer, options);
  EXPECT_EQ(shared.kill_points, alone.kill_points);
  EXPECT_EQ(shared.states, alone.states);
  options.jobs = 1;
  options.in_process = true;
  EXPECT_EQ(explore_stack(Settles::kBeforeAnswer, options).states, alone.states);
}

/// Values that are streamed to a line each, and end where a line is zero.
CrashReport explore_streamed(bool flushes, CrashModel model) {
  constexpr std::size_t kLines = 4;
  return CrashTest<Values>(with_kills(model))
      .run([](SimulatedMachine& machine, CrashRun& run) {
        for (std::uint64_t i = 1; i <= 3; ++i) {
          run.operation(fmt::format("push {}", i), [&] {
            machine.region().copy((i - 1) * kLine, std::as_bytes(std::span(&i, 1)));
            machine.region().fence();
          });
        }
      })
      .recover([=](SimulatedMachine& machine) -> Result<Values> {
        pmem::Region& region = machine.region();
        if (flushes) region.flush(0, kLines * kLine);
        region.fence();
        Values values;
        for (std::size_t i = 0; i < kLines; ++i) {
          std::uint64_t value = 0;
          std::memcpy(&value, region.load(i * kLine, sizeof value).data(), sizeof value);
          if (value == 0) break;
          values.push_back(value);
        }
        return values;
      })
      .check(check_values)
      .explore();
}

// The fence of another process waits for nothing that this one has streamed.
TEST(ProcessKill, LeavesStreamedWordsToBeFlushed) {
  for (const CrashModel& model : {CrashModel::cache_line(), CrashModel::durable_cache()}) {
    const CrashReport mended = explore_streamed(/*flushes=*/true, model);
    EXPECT_EQ(mended.verdict, CrashVerdict::kExhaustive) << mended.to_string();
    const CrashReport report = explore_streamed(/*flushes=*/false, model);
    ASSERT_EQ(report.verdict, CrashVerdict::kFailed) << report.to_string();
    EXPECT_THAT(report.failures.at(0).granules.at(0).hint, HasSubstr("recovery has to flush it"));
  }
}

/// Values in a file of their own each, the next free name at a time, and durable in this order:
/// content, then name.
class Files {
 public:
  explicit Files(FileSystem& file_system) : file_system_(file_system) {}

  Status push(std::uint64_t value) {
    const std::string name = fmt::format("/{}", value);
    {
      const auto file = NACRE_TRY(file_system_.open("/draft", {.writable = true, .create = true}));
      NACRE_TRY(file->write_at(0, std::as_bytes(std::span(&value, 1))));
      NACRE_TRY(file->sync_data());
    }
    NACRE_TRY(file_system_.rename("/draft", name));
    return file_system_.sync_directory("/");
  }
  Result<Values> values() {
    Values values;
    for (std::uint64_t i = 1;; ++i) {
      const auto file = file_system_.open(fmt::format("/{}", i), {});
      if (!file) return values;
      std::uint64_t value = 0;
      const std::size_t got =
          NACRE_TRY((*file)->read_at(0, std::as_writable_bytes(std::span(&value, 1))));
      values.push_back(got == sizeof value ? value : 0);
    }
  }

 private:
  FileSystem& file_system_;
};

CrashReport explore_files(bool syncs_names, NameModel names) {
  CrashTestOptions options = with_kills();
  options.machine.model.names = names;
  return CrashTest<Values>(std::move(options))
      .run([](SimulatedMachine& machine, CrashRun& run) {
        Files files(machine.file_system());
        for (std::uint64_t i = 1; i <= 2; ++i) {
          run.operation(fmt::format("push {}", i), [&] { EXPECT_TRUE(files.push(i)); });
        }
      })
      .recover([=](SimulatedMachine& machine) -> Result<Values> {
        if (syncs_names) NACRE_TRY(machine.file_system().sync_directory("/"));
        return Files(machine.file_system()).values();
      })
      .check(check_values)
      .explore();
}

TEST(ProcessKill, LeavesNamesThatCanStillBeLost) {
  for (const NameModel names : {NameModel::kPosixMinimum, NameModel::kOrderedJournal}) {
    const CrashReport mended = explore_files(/*syncs_names=*/true, names);
    EXPECT_EQ(mended.verdict, CrashVerdict::kExhaustive) << mended.to_string();
    const CrashReport report = explore_files(/*syncs_names=*/false, names);
    ASSERT_EQ(report.verdict, CrashVerdict::kFailed) << report.to_string();
    EXPECT_THAT(report.failures.at(0).granules.at(0).lost_store, HasSubstr("rename /draft to /1"));
  }
}

/// A file that values are written to one behind the other, without a sync of its own: each write is
/// durable when it returns.
CrashReport explore_durable_writes(bool syncs) {
  CrashTestOptions options = with_kills();
  return CrashTest<Values>(std::move(options))
      .setup([](SimulatedMachine& machine) {
        EXPECT_TRUE(machine.file_system().open("/f", {.writable = true, .create = true}));
      })
      .run([](SimulatedMachine& machine, CrashRun& run) {
        const auto file = machine.file_system().open("/f", {.writable = true, .data_sync = true});
        ASSERT_TRUE(file);
        for (std::uint64_t i = 1; i <= 3; ++i) {
          run.operation(fmt::format("push {}", i), [&] {
            // A unit of the device each.
            EXPECT_TRUE((*file)->write_at((i - 1) * 4096, std::as_bytes(std::span(&i, 1))));
          });
        }
      })
      .recover([=](SimulatedMachine& machine) -> Result<Values> {
        const auto file = NACRE_TRY(machine.file_system().open("/f", {.writable = true}));
        if (syncs) NACRE_TRY(file->sync_data());
        Values values;
        for (std::uint64_t i = 1;; ++i) {
          std::uint64_t value = 0;
          const auto read = NACRE_TRY(
              file->read_at((i - 1) * 4096, std::as_writable_bytes(std::span(&value, 1))));
          if (read < sizeof value || value == 0) return values;
          values.push_back(value);
        }
      })
      .check(check_values)
      .explore();
}

// A write that was under way has ended with the process, and a sync of recovery covers it.
TEST(ProcessKill, LeavesWritesThatCanStillBeLost) {
  const CrashReport mended = explore_durable_writes(/*syncs=*/true);
  EXPECT_EQ(mended.verdict, CrashVerdict::kExhaustive) << mended.to_string();
  const CrashReport report = explore_durable_writes(/*syncs=*/false);
  ASSERT_EQ(report.verdict, CrashVerdict::kFailed) << report.to_string();
  EXPECT_THAT(report.failures.at(0).crash_point, HasSubstr("killed before the end of the write"));
}

}  // namespace
}  // namespace nacre
