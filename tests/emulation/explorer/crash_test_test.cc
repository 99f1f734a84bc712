// The explorer on small structures that are right or wrong in a known way.

#include "nacre/emulation/crash_test.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "nacre/emulation/simulated_machine.h"

namespace nacre {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using Values = std::vector<std::uint64_t>;

/// A stack of numbers: a count, then the numbers, a line each.
class Stack {
 public:
  static constexpr std::size_t kLine = 64;
  explicit Stack(pmem::Region& region) : region_(region) {}

  enum class Bug : std::uint8_t { kNone, kCountBeforeValue, kNoFlush, kNoFence };

  void push(std::uint64_t value, Bug bug) {
    const std::uint64_t count = number_at(0);
    const std::size_t at = (count + 1) * kLine;
    std::memcpy(region_.data() + at, &value, sizeof value);
    if (bug != Bug::kNoFlush) region_.flush(at, sizeof value);
    if (bug != Bug::kNoFence) region_.fence();
    region_.store_u64(0, count + 1);
    region_.fence();
  }

  Result<Values> values() {
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

CrashTest<Values> stack_test(Stack::Bug bug, CrashTestOptions options = {}) {
  CrashTest<Values> test(std::move(options));
  test.run([bug](SimulatedMachine& machine, CrashRun& run) {
        Stack stack(machine.region());
        for (std::uint64_t i = 1; i <= 3; ++i) {
          run.operation(fmt::format("push {}", i), [&] { stack.push(i * 11, bug); });
        }
      })
      .recover([](SimulatedMachine& machine) { return Stack(machine.region()).values(); })
      .check([](const Values& values, const CrashHistory& history) -> Status {
        if (values.size() < history.completed_count() || values.size() > history.begun_count()) {
          return Error(
              ErrorCode::kCorruption,
              fmt::format("{} values after {} pushes", values.size(), history.completed_count()));
        }
        for (std::size_t i = 0; i < values.size(); ++i) {
          if (values[i] != (i + 1) * 11) {
            return Error(ErrorCode::kCorruption, fmt::format("value {} is {}", i, values[i]));
          }
        }
        return {};
      });
  return test;
}

TEST(CrashTest, PassesACorrectStackExhaustively) {
  const CrashReport report = stack_test(Stack::Bug::kNone).explore();
  EXPECT_EQ(report.verdict, CrashVerdict::kExhaustive) << report.to_string();
  EXPECT_EQ(report.operations, 3U);
  // Before the first fence the value alone is open, and nobody reads it; before the second the
  // count is, as is nothing at all before and after each push.
  EXPECT_EQ(report.open_points, 6U);
  EXPECT_EQ(report.states, 13U);
}

TEST(CrashTest, CatchesAMissingFlush) {
  const CrashReport report = stack_test(Stack::Bug::kNoFlush).explore();
  ASSERT_EQ(report.verdict, CrashVerdict::kFailed) << report.to_string();
  EXPECT_THAT(report.failures.at(0).message, HasSubstr("value 0 is 0"));
  EXPECT_EQ(report.failures[0].crash_point, "before the fence in push 1");
}

TEST(CrashTest, CatchesAMissingFence) {
  const CrashReport report = stack_test(Stack::Bug::kNoFence).explore();
  ASSERT_EQ(report.verdict, CrashVerdict::kFailed) << report.to_string();
  // The count alone reached the media: one granule says it all.
  ASSERT_EQ(report.failures.at(0).granules.size(), 1U) << report.to_string();
  EXPECT_EQ(report.failures[0].granules[0].address, 0U);
  EXPECT_FALSE(report.failures[0].others_newest);
}

// With everything lost the state fails too, but that would name nobody.
TEST(CrashTest, NamesTheStoreThatShouldHaveBeenKept) {
  CrashTest<std::uint64_t> test;
  test.run([](SimulatedMachine& machine, CrashRun& run) {
        run.operation("store", [&] {
          machine.region().copy(0, as_bytes("durable."));
          machine.region().fence();
          machine.region().data()[64] = std::byte{7};
          machine.region().data()[128] = std::byte{8};
        });
      })
      .recover([](SimulatedMachine& machine) -> Result<std::uint64_t> {
        static_cast<void>(machine.region().load(128, 1));
        return std::to_integer<std::uint64_t>(machine.region().load(64, 1)[0]);
      })
      .check([](const std::uint64_t& found, const CrashHistory& history) -> Status {
        if (found == 7 || history.completed_count() == 0) return {};
        return Error(ErrorCode::kCorruption, "not durable at return");
      });
  const CrashReport report = test.explore();
  ASSERT_EQ(report.verdict, CrashVerdict::kFailed) << report.to_string();
  EXPECT_TRUE(report.failures.at(0).others_newest);
  ASSERT_EQ(report.failures[0].granules.size(), 1U) << report.to_string();
  EXPECT_EQ(report.failures[0].granules[0].address, 64U);
}

TEST(CrashTest, FindsTheSameInTheCallingProcess) {
  const CrashReport report = stack_test(Stack::Bug::kNone, {.in_process = true}).explore();
  EXPECT_EQ(report.verdict, CrashVerdict::kExhaustive) << report.to_string();
  EXPECT_EQ(report.states, 13U);
  EXPECT_EQ(stack_test(Stack::Bug::kNoFence, {.in_process = true}).explore().verdict,
            CrashVerdict::kFailed);
}

// It was taken for in_process alone, and nobody was told.
TEST(CrashTest, RefusesToShareOutWhatRunsInTheCallingProcess) {
  const CrashReport report =
      stack_test(Stack::Bug::kNone, {.jobs = 2, .in_process = true}).explore();
  EXPECT_EQ(report.verdict, CrashVerdict::kInconclusive);
  EXPECT_THAT(report.problem, HasSubstr("jobs shares them out"));
  // As many as there are processors is for the explorer to say.
  EXPECT_EQ(stack_test(Stack::Bug::kNone, {.jobs = 0, .in_process = true}).explore().verdict,
            CrashVerdict::kExhaustive);
}

TEST(CrashTest, SharesThePointsOutBetweenProcesses) {
  const CrashReport alone = stack_test(Stack::Bug::kNone).explore();
  const CrashReport shared = stack_test(Stack::Bug::kNone, {.jobs = 3}).explore();
  EXPECT_EQ(shared.verdict, CrashVerdict::kExhaustive) << shared.to_string();
  EXPECT_EQ(shared.states, alone.states);
  EXPECT_EQ(shared.crash_points, alone.crash_points);
  EXPECT_EQ(shared.open_points, alone.open_points);
}

TEST(CrashTest, RunsTheStateThatAFailureNames) {
  const CrashReport found = stack_test(Stack::Bug::kNoFence).explore();
  ASSERT_EQ(found.failures.size(), 1U);
  const CrashReport again =
      stack_test(Stack::Bug::kNoFence, {.reproduce = found.failures[0].reproduction}).explore();
  ASSERT_EQ(again.failures.size(), 1U) << again.to_string();
  EXPECT_EQ(again.failures[0].message, found.failures[0].message);
  EXPECT_EQ(again.failures[0].crash_point, found.failures[0].crash_point);
  EXPECT_EQ(again.failures[0].reproduction, found.failures[0].reproduction);
}

TEST(CrashTest, RefusesAReproductionOfAnotherWorkload) {
  const CrashReport found = stack_test(Stack::Bug::kNoFence).explore();
  const CrashReport other =
      stack_test(Stack::Bug::kNone, {.reproduce = found.failures.at(0).reproduction}).explore();
  EXPECT_EQ(other.verdict, CrashVerdict::kInconclusive);
  EXPECT_THAT(other.problem, HasSubstr("belongs to another test"));
  EXPECT_FALSE(other.passed());
}

TEST(CrashTest, RefusesAReproductionThatIsNone) {
  for (const char* text :
       {"1", "1:xyz", "1:ab:", "1:ab:3", "1:ab:3o1", "1:ab:3o1=2,", "1:ab:3o1=2;"}) {
    const CrashReport report = stack_test(Stack::Bug::kNone, {.reproduce = text}).explore();
    EXPECT_EQ(report.verdict, CrashVerdict::kInconclusive) << text;
    EXPECT_THAT(report.problem, HasSubstr("names no crash state")) << text;
  }
}

// They were cut to 32 bits, or left out, and the run of something else passed.
TEST(CrashTest, RefusesAReproductionOfStatesThatThereAreNot) {
  const std::string found = stack_test(Stack::Bug::kNoFence).explore().failures.at(0).reproduction;
  for (const char* behind : {",7=0", ",0=9", ",4294967296=0", ",0=4294967297"}) {
    const CrashReport report =
        stack_test(Stack::Bug::kNoFence, {.reproduce = found + behind}).explore();
    EXPECT_EQ(report.verdict, CrashVerdict::kInconclusive) << behind << report.to_string();
  }
}

TEST(CrashTest, RefusesAReproductionUnderAnotherModel) {
  const std::string found = stack_test(Stack::Bug::kNoFence).explore().failures.at(0).reproduction;
  const CrashReport report =
      stack_test(Stack::Bug::kNoFence,
                 {.machine = {.model = {.names = NameModel::kOrderedJournal}}, .reproduce = found})
          .explore();
  EXPECT_EQ(report.verdict, CrashVerdict::kInconclusive);
  EXPECT_THAT(report.problem, HasSubstr("another model"));
}

TEST(CrashTest, RefusesOptionsThatContradictEachOther) {
  std::vector<CrashTestOptions> wrong(12);
  wrong[0].in_process = wrong[0].fork_each_state = true;
  wrong[1].depth = 0;
  wrong[2].max_failures = 0;
  wrong[3].recovery_seconds = 1e-9;
  wrong[4].recovery_seconds = std::nan("");
  wrong[5].max_seconds = -1;
  wrong[6].max_seconds = std::nan("");
  wrong[7].stuck_seconds = -1;
  wrong[8].jobs = 100'000;
  wrong[9].note_sites = true;
  wrong[10].schedules = 0;
  wrong[11].in_process = true;
  wrong[11].jobs = 2;
  for (std::size_t i = 0; i < wrong.size(); ++i) {
    const CrashReport report = stack_test(Stack::Bug::kNone, wrong[i]).explore();
    EXPECT_EQ(report.verdict, CrashVerdict::kInconclusive) << i;
    EXPECT_THAT(report.problem, HasSubstr("invalid_argument")) << i;
  }
  EXPECT_EQ(stack_test(Stack::Bug::kNone, {.max_seconds = 1e30, .recovery_seconds = 1e30})
                .explore()
                .verdict,
            CrashVerdict::kExhaustive);
}

TEST(CrashTest, RefusesATestWithoutItsParts) {
  CrashTest<Values> test = stack_test(Stack::Bug::kNone);
  EXPECT_THAT(test.check(nullptr).explore().problem, HasSubstr("the test checks nothing"));
  EXPECT_THAT(test.recover(nullptr).explore().problem, HasSubstr("the test has no recovery"));
  EXPECT_THAT(test.run(nullptr).explore().problem, HasSubstr("the test has no workload"));
}

TEST(CrashTest, RefusesMoreCrashesInARowThanThereAreMachines) {
  for (const auto& [depth, kills] : {std::pair(64UZ, false), {63UZ, true}, {~0UZ, false}}) {
    const CrashReport report =
        stack_test(Stack::Bug::kNone, {.depth = depth, .process_kills = kills}).explore();
    EXPECT_EQ(report.verdict, CrashVerdict::kInconclusive) << depth;
    EXPECT_THAT(report.problem, HasSubstr("one more than its depth"));
  }
}

// Those the workload never came to have not begun; they once were whatever lay behind the others.
TEST(CrashTest, AHistoryKnowsNothingOfOtherOperations) {
  const CrashReport report =
      stack_test(Stack::Bug::kNone)
          .check([](const Values&, const CrashHistory& history) -> Status {
            if (history.state(1000) == OperationState::kNotBegun && !history.precedes(0, 1000)) {
              return {};
            }
            return Error(ErrorCode::kCorruption, "there are three");
          })
          .explore();
  EXPECT_EQ(report.verdict, CrashVerdict::kExhaustive) << report.to_string();
}

TEST(CrashTest, APromiseIsNotTakenBack) {
  const CrashReport report =
      stack_test(Stack::Bug::kNone)
          .run([](SimulatedMachine& machine, CrashRun& run) {
            Stack stack(machine.region());
            for (std::uint64_t i = 1; i <= 2; ++i) {
              run.operation("push", [&] { stack.push(i * 11, Stack::Bug::kNone); });
            }
            run.promise_durable(2);
            run.promise_durable(1);
            run.operation("push", [&] { stack.push(33, Stack::Bug::kNone); });
          })
          .check([](const Values&, const CrashHistory& history) -> Status {
            if (history.begun_count() < 3 || history.promised_count() == 2) return {};
            return Error(ErrorCode::kCorruption, "promised less");
          })
          .explore();
  EXPECT_EQ(report.verdict, CrashVerdict::kExhaustive) << report.to_string();
}

TEST(CrashTest, RefusesABudgetOfNoState) {
  const CrashReport report = stack_test(Stack::Bug::kNone, {.max_states = 0}).explore();
  EXPECT_EQ(report.verdict, CrashVerdict::kInconclusive);
  EXPECT_THAT(report.problem, HasSubstr("budget is too small"));
}

// It was told that its recovery reads nothing, where none had been reached.
TEST(CrashTest, ABudgetThatEndsBeforeTheFirstStateIsNamed) {
  const CrashReport report = stack_test(Stack::Bug::kNone, {.max_seconds = 1e-9}).explore();
  EXPECT_EQ(report.verdict, CrashVerdict::kInconclusive) << report.to_string();
  EXPECT_THAT(report.problem, HasSubstr("budget ended before any state"));
}

TEST(CrashTest, AWorkloadThatDoesNothingDoesNotPass) {
  CrashTest<int> test;
  test.run([](SimulatedMachine&, CrashRun&) {})
      .recover([](SimulatedMachine&) -> Result<int> { return 1; })
      .check([](int, const CrashHistory&) { return Status(); });
  const CrashReport report = test.explore();
  EXPECT_EQ(report.verdict, CrashVerdict::kInconclusive);
  EXPECT_THAT(report.problem, HasSubstr("no moment to crash at"));
}

TEST(CrashTest, AWorkloadThatLeavesNothingOpenDoesNotPass) {
  CrashTest<int> test;
  test.run([](SimulatedMachine&, CrashRun& run) { run.operation("nothing", [] {}); })
      .recover([](SimulatedMachine&) -> Result<int> { return 1; })
      .check([](int, const CrashHistory&) { return Status(); });
  const CrashReport report = test.explore();
  EXPECT_EQ(report.verdict, CrashVerdict::kInconclusive);
  EXPECT_THAT(report.problem, HasSubstr("left anything open"));
}

/// Stores `words` words in as many lines, and leaves them all to one fence.
CrashTest<std::uint64_t> words_test(std::size_t words, CrashTestOptions options = {}) {
  options.recover_twice = false;
  CrashTest<std::uint64_t> test(std::move(options));
  test.run([words](SimulatedMachine& machine, CrashRun& run) {
        run.operation("store", [&] {
          for (std::size_t i = 0; i < words; ++i) machine.region().store_u64(i * 64, i + 1);
          machine.region().fence();
        });
      })
      .recover([words](SimulatedMachine& machine) -> Result<std::uint64_t> {
        std::uint64_t bits = 0;
        for (std::size_t i = 0; i < words; ++i) {
          const Bytes word = machine.region().load(i * 64, 1);
          if (std::to_integer<int>(word[0]) != 0) bits |= std::uint64_t{1} << i;
        }
        return bits;
      })
      .check([](const std::uint64_t&, const CrashHistory&) { return Status(); });
  return test;
}

TEST(CrashTest, CountsTheStatesOfIndependentLines) {
  const CrashReport report = words_test(10).explore();
  EXPECT_EQ(report.verdict, CrashVerdict::kExhaustive) << report.to_string();
  EXPECT_EQ(report.states, 1026U);  // And one before, and one after.
}

TEST(CrashTest, SaysSoWhenTheBudgetDoesNotLast) {
  const CrashReport report = words_test(30, {.max_states = 2000}).explore();
  EXPECT_EQ(report.verdict, CrashVerdict::kBounded) << report.to_string();
  EXPECT_LE(report.states, 2000U);
  EXPECT_GT(report.product, 1e9);
}

// The pair of words that must not both be there is neither near all old nor near all new by program
// order; a search that goes depth first alone would not have come to it.
TEST(CrashTest, ABoundedSearchTriesEveryPairOfContents) {
  for (const auto& [first, second] : {std::pair(0, 29), std::pair(7, 8), std::pair(28, 29)}) {
    CrashTest<std::uint64_t> test = words_test(30, {.max_states = 6000});
    test.check([=](const std::uint64_t& bits, const CrashHistory&) -> Status {
      const bool both = (bits >> first & 1) != 0 && (bits >> second & 1) != 0;
      if (both && std::popcount(bits) == 2) return Error(ErrorCode::kCorruption, "both");
      return {};
    });
    EXPECT_EQ(test.explore().verdict, CrashVerdict::kFailed) << first << " and " << second;
  }
}

// What recovery never reads does not multiply the states.
TEST(CrashTest, WhatRecoveryDoesNotReadDoesNotBranch) {
  CrashTest<std::uint64_t> test = words_test(40);
  test.recover([](SimulatedMachine& machine) -> Result<std::uint64_t> {
    return std::to_integer<std::uint64_t>(machine.region().load(64, 1)[0]);
  });
  const CrashReport report = test.explore();
  EXPECT_EQ(report.verdict, CrashVerdict::kExhaustive) << report.to_string();
  EXPECT_EQ(report.states, 4U);
}

TEST(CrashTest, ARecoveryThatDiesIsAFailureAndTheSearchGoesOn) {
  CrashTest<std::uint64_t> test = words_test(3, {.max_failures = 100});
  test.check([](const std::uint64_t& bits, const CrashHistory&) -> Status {
    if (bits == 5) std::abort();
    if (bits == 6) std::_Exit(7);
    return {};
  });
  const CrashReport report = test.explore();
  EXPECT_EQ(report.verdict, CrashVerdict::kFailed);
  ASSERT_EQ(report.failures.size(), 2U) << report.to_string();
  EXPECT_THAT(report.failures[0].message + report.failures[1].message,
              AllOf(HasSubstr("signal 6"), HasSubstr("exit(7)")));
  EXPECT_EQ(report.states, 10U);
  for (const CrashFailure& failure : report.failures) {
    EXPECT_EQ(failure.granules.size(), 2U) << report.to_string();
  }
}

// A recovery that remembers would find another run's memory in its own process.
TEST(CrashTest, EachStateMayHaveAProcessOfItsOwn) {
  CrashTest<std::uint64_t> test = words_test(4, {.max_failures = 100, .fork_each_state = true});
  test.check([runs = 0](const std::uint64_t& bits, const CrashHistory&) mutable -> Status {
    if (++runs > 1) return Error(ErrorCode::kCorruption, "something is left of another run");
    if (bits == 3) std::abort();
    if (bits == 9) std::_Exit(7);
    return {};
  });
  const CrashReport report = test.explore();
  EXPECT_EQ(report.states, 18U) << report.to_string();
  ASSERT_EQ(report.failures.size(), 2U) << report.to_string();
}

TEST(CrashTest, ARecoveryThatHangsIsAFailure) {
#if defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "the thread sanitizer holds back the timer's signal in a loop that calls nothing";
#endif
  CrashTest<std::uint64_t> test = words_test(3, {.recovery_seconds = 0.2});
  test.check([](const std::uint64_t& bits, const CrashHistory&) -> Status {
    for (volatile bool forever = bits == 5; forever;) {
    }
    return {};
  });
  const CrashReport report = test.explore();
  ASSERT_EQ(report.failures.size(), 1U) << report.to_string();
  EXPECT_THAT(report.failures[0].message, HasSubstr("did not end within"));
}

TEST(CrashTest, AWorkloadThatDiesIsNotAPass) {
  CrashTest<std::uint64_t> test = words_test(3);
  test.run([](SimulatedMachine&, CrashRun&) { std::abort(); });
  const CrashReport report = test.explore();
  EXPECT_EQ(report.verdict, CrashVerdict::kInconclusive);
  EXPECT_THAT(report.problem, HasSubstr("the workload itself does not run"));
}

// It would depend on something that is not on the media, and no verdict would mean anything.
TEST(CrashTest, ARecoveryThatIsNotDeterministicIsAFailure) {
  CrashTest<std::uint64_t> test = words_test(3);
  test.recover([runs = 0](SimulatedMachine& machine) mutable -> Result<std::uint64_t> {
    ++runs;
    if (runs > 3) machine.region().load(128, 1);
    machine.region().load(0, 1);
    return std::to_integer<std::uint64_t>(machine.region().load(64, 1)[0]);
  });
  const CrashReport report = test.explore();
  ASSERT_EQ(report.verdict, CrashVerdict::kFailed) << report.to_string();
  EXPECT_THAT(report.failures[0].message, HasSubstr("not deterministic"));
  EXPECT_THAT(report.failures[0].message, HasSubstr("0x80"));
}

/// Recovery that repairs: it makes both words of a pair the larger one, and marks that it has.
CrashTest<std::uint64_t> repair_test(bool in_order, CrashTestOptions options = {}) {
  CrashTest<std::uint64_t> test(std::move(options));
  test.run([](SimulatedMachine& machine, CrashRun& run) {
        run.operation("set", [&] {
          machine.region().store_u64(0, 7);
          machine.region().fence();
        });
        run.operation("copy", [&] {
          machine.region().store_u64(64, 7);
          machine.region().fence();
        });
      })
      .recover([in_order](SimulatedMachine& machine) -> Result<std::uint64_t> {
        pmem::Region& region = machine.region();
        const auto word = [&](std::size_t at) {
          std::uint64_t value = 0;
          std::memcpy(&value, region.load(at, sizeof value).data(), sizeof value);
          return value;
        };
        if (word(0) != word(64)) {
          if (!in_order) region.store_u64(0, 0);
          region.store_u64(64, 7);
          region.fence();
          if (!in_order) region.store_u64(0, 7);
          region.fence();
        }
        return word(0) + word(64);
      })
      .check([](const std::uint64_t& sum, const CrashHistory& history) -> Status {
        if (sum == 14 || (sum == 0 && history.completed_count() == 0)) return {};
        return Error(ErrorCode::kCorruption, fmt::format("the sum is {}", sum));
      });
  return test;
}

TEST(CrashTest, ARecoveryThatRepairsMayBeInterrupted) {
  const CrashReport report = repair_test(/*in_order=*/true).explore();
  EXPECT_EQ(report.verdict, CrashVerdict::kExhaustive) << report.to_string();
  EXPECT_GT(report.nested_states, 0U);
}

// It takes the word down that says what to repair, before the repair is done: the crash that shows
// it is one in recovery.
TEST(CrashTest, CatchesARecoveryThatASecondCrashBreaks) {
  const CrashReport alone = repair_test(/*in_order=*/false, {.depth = 1}).explore();
  EXPECT_EQ(alone.verdict, CrashVerdict::kExhaustive) << alone.to_string();
  const CrashReport nested = repair_test(/*in_order=*/false).explore();
  ASSERT_EQ(nested.verdict, CrashVerdict::kFailed) << nested.to_string();
  EXPECT_THAT(nested.failures[0].crash_point, HasSubstr("in the recovery from that"));
  const CrashReport again =
      repair_test(false, {.reproduce = nested.failures[0].reproduction}).explore();
  ASSERT_EQ(again.failures.size(), 1U) << again.to_string();
  EXPECT_EQ(again.failures[0].message, nested.failures[0].message);
}

TEST(CrashTest, CatchesARecoveryThatAlwaysStores) {
  CrashTest<std::uint64_t> test;
  test.run([](SimulatedMachine& machine, CrashRun& run) {
        run.operation("store", [&] {
          machine.region().store_u64(0, 1);
          machine.region().fence();
        });
      })
      .recover([](SimulatedMachine& machine) -> Result<std::uint64_t> {
        machine.region().store_u64(64, 1);
        machine.region().fence();
        return 1;
      })
      .check([](const std::uint64_t&, const CrashHistory&) { return Status(); });
  const CrashReport report = test.explore();
  ASSERT_EQ(report.verdict, CrashVerdict::kFailed);
  EXPECT_THAT(report.failures[0].message, HasSubstr("not idempotent"));
}

TEST(CrashTest, TheRecoveredStructureIsUsed) {
  CrashTest<std::uint64_t> test = words_test(2);
  test.use([](SimulatedMachine& machine) -> Status {
    if (machine.region().load(0, 1)[0] == std::byte{0}) return {};
    return Error(ErrorCode::kIo, "cannot be written");
  });
  const CrashReport report = test.explore();
  ASSERT_EQ(report.verdict, CrashVerdict::kFailed);
  EXPECT_THAT(report.failures[0].message, HasSubstr("not usable after recovery"));
}

}  // namespace
}  // namespace nacre
