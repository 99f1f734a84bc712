// Sequences against a model, on a small map that is right or wrong in a known way.

#include "nacre/emulation/model_crash_test.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "emulation/explorer/model_sequences.h"

namespace nacre {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// Puts a value under a key, or, with key 0, makes all before it durable.
struct Put {
  std::uint64_t key = 0;
  std::uint64_t value = 0;
  std::string to_string() const { return key == 0 ? "sync" : fmt::format("put {}={}", key, value); }
};

/// What was under the key is given back; 0: nothing.
struct MapModel {
  std::map<std::uint64_t, std::uint64_t> values = {};
  std::uint64_t apply(const Put& put) {
    return put.key == 0 ? 0 : std::exchange(values[put.key], put.value);
  }
  friend bool operator==(const MapModel&, const MapModel&) = default;
};

std::string to_string(const MapModel& model) {
  std::string text;
  for (const auto& [key, value] : model.values) text += fmt::format(" {}={}", key, value);
  return "{" + text + " }";
}

enum class Bug : std::uint8_t {
  kNone,
  kNoFence,         // Between a value and its key.
  kForgetsEnd,      // Opened again, it writes over its first entry.
  kTrustsZeros,     // A value of 0 is not written, as if nothing had ever been there.
  kWrongAnswer,     // The third time that a key is put.
  kDies,            // Of key 3.
  kLosesAtClose,    // What it has buffered.
  kSyncsTooLittle,  // Of what it has buffered, all but the last one.
};

/// Entries of a line each, of which the newest one counts: the key, which publishes it, and then
/// the value, in a line of its own.
class Map {
 public:
  static constexpr std::size_t kEntry = 128;

  Map(pmem::Region& region, Bug bug, bool buffered)
      : region_(&region), bug_(bug), buffered_(buffered) {
    while (bug_ != Bug::kForgetsEnd && key_at(end_) != 0) ++end_;
  }

  Map(Map&&) = default;
  Map& operator=(Map&&) = default;
  ~Map() {
    if (bug_ != Bug::kLosesAtClose) write_back();
  }

  std::uint64_t put(const Put& put) {
    if (put.key == 0) {
      write_back();
      return 0;
    }
    if (bug_ == Bug::kDies && put.key == 3) std::abort();
    const std::uint64_t before = get(put.key);
    pending_.push_back(put);
    if (!buffered_) write_back();
    if (bug_ == Bug::kWrongAnswer && before > 90) return before + 1;
    return before;
  }

  MapModel contents() const {
    MapModel found;
    for (std::size_t entry = 0; key_at(entry) != 0; ++entry) {
      found.values[key_at(entry)] = value_at(entry);
    }
    for (const Put& put : pending_) found.values[put.key] = put.value;
    return found;
  }

 private:
  void write_back() {
    const std::size_t kept = bug_ == Bug::kSyncsTooLittle && !pending_.empty() ? 1 : 0;
    while (pending_.size() > kept) {
      append(pending_.front());
      pending_.erase(pending_.begin());
    }
  }

  void append(const Put& put) {
    const std::size_t at = end_ * kEntry;
    if (bug_ != Bug::kTrustsZeros || put.value != 0) {
      region_->copy(at + kEntry / 2, std::as_bytes(std::span(&put.value, 1)));
    }
    if (bug_ != Bug::kNoFence) region_->fence();
    region_->store_u64(at, put.key);
    region_->fence();
    ++end_;
  }

  std::uint64_t get(std::uint64_t key) const {
    const MapModel found = contents();
    const auto entry = found.values.find(key);
    return entry == found.values.end() ? 0 : entry->second;
  }
  std::uint64_t load(std::size_t offset) const {
    std::uint64_t value = 0;
    std::memcpy(&value, region_->load(offset, sizeof value).data(), sizeof value);
    return value;
  }
  std::uint64_t key_at(std::size_t entry) const { return load(entry * kEntry); }
  std::uint64_t value_at(std::size_t entry) const { return load(entry * kEntry + kEntry / 2); }

  pmem::Region* region_;
  Bug bug_;
  bool buffered_;
  std::vector<Put> pending_;
  std::size_t end_ = 0;
};

ModelCrashTest<Map, MapModel, Put> map_test(Bug bug, ModelCrashTestOptions options = {},
                                            bool buffered = false) {
  options.crash.machine.region_bytes = std::size_t{64} * Map::kEntry;
  ModelCrashTest<Map, MapModel, Put> test(std::move(options));
  test.open([=](SimulatedMachine& machine) -> Result<Map> {
        return Map(machine.region(), bug, buffered);
      })
      .generate([=](RandomSource& random) {
        const std::uint64_t key = uniform_below(random, buffered ? 4 : 3) + (buffered ? 0 : 1);
        const bool is_zero = uniform_below(random, 4) == 0;
        return Put{.key = key, .value = is_zero ? 0 : uniform_below(random, 100)};
      })
      .execute([](Map& map, const Put& put) { return map.put(put); })
      .read([](Map& map) { return map.contents(); })
      .shrink([](const Put& put) {
        std::vector<Put> simpler;
        if (put.key > 1) simpler.push_back({.key = 1, .value = put.value});
        if (put.value == 0) return simpler;
        for (const std::uint64_t value : {std::uint64_t{0}, put.value / 2, put.value - 1}) {
          simpler.push_back({.key = put.key, .value = value});
        }
        return simpler;
      });
  if (buffered) test.makes_durable([](const Put& put) { return put.key == 0; });
  return test;
}

TEST(ModelCrashTest, ACorrectMapPassesAndClaimsNoMoreThanItsSequences) {
  const CrashReport report = map_test(Bug::kNone).explore();
  EXPECT_EQ(report.verdict, CrashVerdict::kBounded) << report.to_string();
  EXPECT_TRUE(report.tried_each_state);
  EXPECT_EQ(report.sequences, 10U);
  EXPECT_THAT(report.to_string(), HasSubstr("in every state that a crash may leave of 10 sequences "
                                            "of operations; there are other sequences"));
}

TEST(ModelCrashTest, AFailureIsAsSmallAsItCanBe) {
  const CrashReport report = map_test(Bug::kNoFence).explore();
  ASSERT_EQ(report.verdict, CrashVerdict::kFailed) << report.to_string();
  EXPECT_THAT(report.steps, ElementsAre("put 1=1"));
  EXPECT_GT(report.steps_before, 10U);
  EXPECT_THAT(report.failures.at(0).message, HasSubstr("no set of the calls gives"));
  EXPECT_THAT(report.to_string(), HasSubstr("    put 1=1\n"));
  EXPECT_THAT(report.to_string(), HasSubstr("--crash_seed="));
}

// With a budget in seconds a loaded machine may not come to the failing state a second time. It was
// taken for granted that it does, and the search ended in an assertion.
TEST(ModelCrashTest, AFailureThatIsNotFoundAgainIsReported) {
  bool has_failed = false;
  auto test = map_test(Bug::kNone, {.crash = {.in_process = true}});
  test.read([&](Map& map) {
    MapModel found = map.contents();
    if (found.values.size() > 1 && !std::exchange(has_failed, true)) found.values.clear();
    return found;
  });
  const CrashReport report = test.explore();
  ASSERT_EQ(report.verdict, CrashVerdict::kFailed) << report.to_string();
  ASSERT_FALSE(report.failures.empty());
}

TEST(ModelCrashTest, AReopeningThatMattersStays) {
  const CrashReport report =
      map_test(Bug::kForgetsEnd, {.crashes_percent = 0, .goes_on = false}).explore();
  ASSERT_EQ(report.verdict, CrashVerdict::kFailed) << report.to_string();
  ASSERT_EQ(report.steps.size(), 3U) << report.to_string();
  EXPECT_EQ(report.steps[1], "reopen");
}

// What a crash has left of a put that nobody was told of comes back under another key.
TEST(ModelCrashTest, ACrashThatMattersStays) {
  const CrashReport report =
      map_test(Bug::kTrustsZeros, {.sequences = 60, .goes_on = false}).explore();
  ASSERT_EQ(report.verdict, CrashVerdict::kFailed) << report.to_string();
  ASSERT_EQ(report.steps.size(), 3U) << report.to_string();
  EXPECT_EQ(report.steps[1], "crash");
  EXPECT_THAT(report.steps[2], HasSubstr("=0"));
}

TEST(ModelCrashTest, AnAnswerThatTheModelDoesNotGiveFailsWithoutACrash) {
  const CrashReport report =
      map_test(Bug::kWrongAnswer, {.sequences = 40, .goes_on = false}).explore();
  ASSERT_EQ(report.verdict, CrashVerdict::kFailed) << report.to_string();
  EXPECT_EQ(report.steps.size(), 2U) << report.to_string();
  EXPECT_THAT(report.failures.at(0).message,
              HasSubstr("returned something else, without a crash: 92, and not 91"));
}

TEST(ModelCrashTest, ASequenceThatDiesIsMadeSmallerToo) {
  const CrashReport report = map_test(Bug::kDies).explore();
  EXPECT_FALSE(report.passed());
  EXPECT_THAT(report.problem, HasSubstr("Aborted"));
  EXPECT_THAT(report.steps, ElementsAre("put 3=0"));
}

TEST(ModelCrashTest, ABufferedMapKeepsAPrefix) {
  const CrashReport report = map_test(Bug::kNone, {}, /*buffered=*/true).explore();
  EXPECT_EQ(report.verdict, CrashVerdict::kBounded) << report.to_string();
}

TEST(ModelCrashTest, ABufferedMapHasToKeepWhatWasSynced) {
  const CrashReport report =
      map_test(Bug::kSyncsTooLittle, {.reopens_percent = 0, .goes_on = false},
               /*buffered=*/true)
          .explore();
  ASSERT_EQ(report.verdict, CrashVerdict::kFailed) << report.to_string();
  EXPECT_THAT(report.failures.at(0).message, HasSubstr("promised to be durable"));
  EXPECT_EQ(report.steps.size(), 2U) << report.to_string();
}

TEST(ModelCrashTest, AReopeningHasToShowTheSameWithoutACrash) {
  const CrashReport report =
      map_test(Bug::kLosesAtClose, {.crashes_percent = 0, .goes_on = false}, /*buffered=*/true)
          .explore();
  ASSERT_EQ(report.verdict, CrashVerdict::kFailed) << report.to_string();
  EXPECT_THAT(report.steps, ElementsAre("put 1=0", "reopen"));
  EXPECT_THAT(report.failures.at(0).message, HasSubstr("closed and opened again, without a crash"));
}

TEST(ModelCrashTest, TheSameSeedIsTheSameReport) {
  const auto text = [] {
    CrashReport report = map_test(Bug::kTrustsZeros, {.sequences = 60}).explore();
    report.seconds = 0;
    return report.to_string();
  };
  const std::string first = text();
  EXPECT_EQ(text(), first);
}

TEST(ModelCrashTest, TheSeedOfAFailureMakesItAgainAtOnce) {
  const CrashReport report = map_test(Bug::kTrustsZeros, {.sequences = 60}).explore();
  ASSERT_GT(report.sequences, 1U);
  const CrashReport again =
      map_test(Bug::kTrustsZeros, {.crash = {.seed = report.seed}, .sequences = 60}).explore();
  EXPECT_EQ(again.sequences, 1U);
  EXPECT_EQ(again.steps, report.steps);
}

TEST(ModelCrashTest, AFailureCanBeReproducedAlone) {
  const CrashReport report = map_test(Bug::kTrustsZeros, {.sequences = 60}).explore();
  ASSERT_EQ(report.failures.size(), 1U);
  const CrashReport again =
      map_test(Bug::kTrustsZeros,
               {.crash = {.reproduce = report.failures[0].reproduction}, .sequences = 60})
          .explore();
  ASSERT_EQ(again.failures.size(), 1U) << again.to_string();
  EXPECT_EQ(again.states + again.nested_states, 0U);
  EXPECT_EQ(again.failures[0].message, report.failures[0].message);
  EXPECT_EQ(again.steps, report.steps);
  const CrashReport refused = map_test(Bug::kNone, {.crash = {.reproduce = "nonsense"}}).explore();
  EXPECT_EQ(refused.verdict, CrashVerdict::kInconclusive);
  EXPECT_THAT(refused.problem, HasSubstr("names no crash state"));
}

struct Nothing {};

TEST(ModelCrashTest, WhatStoresNothingIsNotTested) {
  const CrashReport report =
      ModelCrashTest<Nothing, MapModel, Put>()
          .open([](SimulatedMachine&) -> Result<Nothing> { return Nothing(); })
          .generate([](RandomSource&) { return Put{}; })
          .execute([](Nothing&, const Put&) { return std::uint64_t{0}; })
          .read([](Nothing&) { return MapModel(); })
          .explore();
  EXPECT_EQ(report.verdict, CrashVerdict::kInconclusive);
  EXPECT_THAT(report.problem, HasSubstr("no crash left anything open"));
}

/// A program whose operations are numbers.
ModelCrashProgram number_program() {
  ModelCrashProgram program;
  program.generate = [](RandomSource& random) -> ModelStep::Operation {
    return std::make_shared<const int>(static_cast<int>(uniform_below(random, 100)));
  };
  program.shrink = [](const ModelStep::Operation& operation) {
    const int number = *static_cast<const int*>(operation.get());
    std::vector<ModelStep::Operation> simpler;
    if (number > 0) simpler.push_back(std::make_shared<const int>(number - 1));
    return simpler;
  };
  return program;
}

std::vector<int> numbers_of(const ModelSteps& steps) {
  std::vector<int> numbers;
  for (const ModelStep& step : steps) {
    if (step.kind == ModelStep::Kind::kOperation) {
      numbers.push_back(*static_cast<const int*>(step.operation.get()));
    }
  }
  return numbers;
}

TEST(ShrinkSteps, FindsWhatMattersAmongTheRest) {
  const ModelCrashProgram program = number_program();
  const ModelSteps steps = make_steps(program, {.operations = 64}, 7);
  // Two numbers above 60, in this order, and a crash somewhere.
  const auto fails = [](const ModelSteps& tried) {
    return std::ranges::count_if(numbers_of(tried), [](int number) { return number > 60; }) >= 2 &&
           std::ranges::any_of(
               tried, [](const ModelStep& step) { return step.kind == ModelStep::Kind::kCrash; });
  };
  ASSERT_TRUE(fails(steps));
  const ModelSteps fewest = shrink_steps(steps, program, 10000, fails);
  EXPECT_EQ(fewest.size(), 3U);
  EXPECT_THAT(numbers_of(fewest), ElementsAre(61, 61));
}

TEST(ShrinkSteps, AsksNoMoreOftenThanItMay) {
  const ModelCrashProgram program = number_program();
  std::size_t asked = 0;
  const ModelSteps fewest = shrink_steps(make_steps(program, {.operations = 64}, 7), program, 5,
                                         [&](const ModelSteps& tried) {
                                           ++asked;
                                           return tried.size() > 60;
                                         });
  EXPECT_EQ(asked, 5U);
  EXPECT_FALSE(fewest.empty());
}

}  // namespace
}  // namespace nacre
