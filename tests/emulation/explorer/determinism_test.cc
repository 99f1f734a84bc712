// Programs under test that do not do the same twice, or do nothing with the media that crashed: a
// search of them proves nothing, and must not pass.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <map>
#include <memory>
#include <string>

#include "tests/emulation/explorer/word_script.h"

namespace nacre {
namespace {

using test::number_test;
using test::read_number;
using test::word_at;
using ::testing::HasSubstr;

const auto kNothing = [](SimulatedMachine&) {};
const auto kAnything = [](const std::uint64_t&, const CrashHistory&) { return Status(); };

// Each shard searched the crash points of a workload of its own, and the one that was wrong in each
// of them was in none of the shards.
TEST(Determinism, EachProcessRunsTheSameWorkload) {
  const CrashReport report =
      number_test(true, kNothing, {.jobs = 4})
          .run([](SimulatedMachine& machine, CrashRun& run) {
            machine.region().store_u64(128, static_cast<std::uint64_t>(::getpid()));
            test::store_numbers(machine, run, /*fences=*/true);
          })
          .explore();
  EXPECT_EQ(report.verdict, CrashVerdict::kInconclusive) << report.to_string();
  EXPECT_THAT(report.problem, HasSubstr("the workload is not deterministic"));
}

// It looks at line 1 in every second run only: what was found wrong may pass the next time.
TEST(Determinism, ARecoveryThatValidatesNowAndThenIsNamedAsSuch) {
  for (const bool fences : {true, false}) {
    auto runs = std::make_shared<int>(0);
    const CrashReport report =
        number_test(fences, kNothing, {.recover_twice = false})
            .recover([runs](SimulatedMachine& machine) -> Result<std::uint64_t> {
              return ++*runs % 2 == 0 ? read_number(machine) : word_at(machine, 0);
            })
            .check(kAnything)
            .explore();
    ASSERT_EQ(report.verdict, CrashVerdict::kFailed) << report.to_string();
    EXPECT_THAT(report.failures.at(0).message, HasSubstr("recovery is not deterministic"));
  }
}

TEST(Determinism, ARecoveryThatFindsSomethingElseEachTimeIsNamedAsSuch) {
  auto runs = std::make_shared<std::uint64_t>(0);
  const CrashReport report = number_test(true, kNothing, {.recover_twice = false})
                                 .recover([runs](SimulatedMachine& machine) {
                                   static_cast<void>(word_at(machine, 0));
                                   return Result<std::uint64_t>(++*runs);
                                 })
                                 .check(kAnything)
                                 .explore();
  ASSERT_EQ(report.verdict, CrashVerdict::kFailed) << report.to_string();
  EXPECT_THAT(report.failures.at(0).message, HasSubstr("it found something else"));
}

// What it reads depends on its process, so that the search would skip what another one reads.
TEST(Determinism, AStateWithAProcessOfItsOwnReadsTheSameInTheNext) {
  void* const shared =
      ::mmap(nullptr, sizeof(int), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(shared, MAP_FAILED);
  int& runs = *static_cast<int*>(shared);
  const CrashReport report =
      number_test(true, kNothing, {.fork_each_state = true, .recover_twice = false})
          .recover([&runs](SimulatedMachine& machine) -> Result<std::uint64_t> {
            return word_at(machine, ++runs % 2 == 0 ? 0 : 1) * 0;
          })
          .check(kAnything)
          .explore();
  ASSERT_EQ(report.verdict, CrashVerdict::kFailed) << report.to_string();
  EXPECT_THAT(report.failures.at(0).message, HasSubstr("not deterministic"));
  ::munmap(shared, sizeof(int));
}

// A test that answers from the memory of its own workload passed in every state.
TEST(Determinism, ARecoveryThatReadsNothingTestsNothing) {
  auto kept = std::make_shared<std::uint64_t>(0);
  auto other = std::make_shared<SimulatedMachine>(*SimulatedMachine::create());
  const auto from_memory = [kept](SimulatedMachine&) { return Result<std::uint64_t>(*kept); };
  const auto from_another = [other](SimulatedMachine&) { return read_number(*other); };
  for (const bool fork_each_state : {false, true}) {
    for (int i = 0; i < 2; ++i) {
      CrashTest<std::uint64_t> test =
          number_test(true, kNothing, {.fork_each_state = fork_each_state});
      if (i == 0) test.recover(from_memory);
      if (i == 1) test.recover(from_another);
      const CrashReport report = test.check(kAnything).explore();
      EXPECT_EQ(report.verdict, CrashVerdict::kInconclusive) << report.to_string();
      EXPECT_THAT(report.problem, HasSubstr("recovery never read anything of the machine"));
    }
  }
}

// More open bytes than there is room for between processes would be cut from the search.
TEST(Determinism, AProcessForEachStateHandsOverEveryChoice) {
  static constexpr std::size_t kWords = 4200;
  CrashTest<std::uint64_t> test({.machine = {.region_bytes = kWords * test::kLineBytes},
                                 .max_states = 40,
                                 .depth = 1,
                                 .fork_each_state = true,
                                 .recover_twice = false});
  test.run([](SimulatedMachine& machine, CrashRun& run) {
        run.operation("store", [&] {
          for (std::size_t i = 0; i < kWords; ++i) {
            machine.region().store_u64(i * test::kLineBytes, 1);
          }
          machine.region().fence();
        });
      })
      .recover([](SimulatedMachine& machine) -> Result<std::uint64_t> {
        std::uint64_t sum = 0;
        for (std::size_t i = 0; i + 1 < kWords; ++i) sum += word_at(machine, i);
        return word_at(machine, kWords - 1) != 0 ? sum : kWords;
      })
      .check([](const std::uint64_t& sum, const CrashHistory&) -> Status {
        // The last word is there, and no other: the second state of a search in depth.
        return sum != 0 ? Status() : Error(ErrorCode::kCorruption, "the last word alone");
      });
  const CrashReport report = test.explore();
  ASSERT_EQ(report.verdict, CrashVerdict::kFailed) << report.to_string();
  EXPECT_EQ(report.failures.at(0).granules.size(), 1U);
}

TEST(Determinism, ChoicesThatDoNotFitMakeTheSearchBounded) {
  static constexpr std::size_t kWords = 17000;
  const CrashReport report =
      CrashTest<std::uint64_t>({.machine = {.region_bytes = kWords * test::kLineBytes},
                                .max_states = 8,
                                .depth = 1,
                                .fork_each_state = true,
                                .recover_twice = false})
          .run([](SimulatedMachine& machine, CrashRun& run) {
            run.operation("store", [&] {
              for (std::size_t i = 0; i < kWords; ++i) {
                machine.region().store_u64(i * test::kLineBytes, 1);
              }
              machine.region().fence();
            });
          })
          .recover([](SimulatedMachine& machine) -> Result<std::uint64_t> {
            std::uint64_t sum = 0;
            for (std::size_t i = 0; i < kWords; ++i) sum += word_at(machine, i);
            return sum;
          })
          .check(kAnything)
          .explore();
  EXPECT_EQ(report.verdict, CrashVerdict::kBounded) << report.to_string();
  EXPECT_THAT(report.limit, HasSubstr("more than 16384 places"));
  EXPECT_THAT(report.to_string(), HasSubstr(report.limit));
}

}  // namespace
}  // namespace nacre
