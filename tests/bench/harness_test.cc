#include "bench/harness.h"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace nacre::bench {
namespace {

/// Gives the next of `values` at each slice, and notes its name.
Contender scripted(const std::string& name, Role role, std::vector<double> values,
                   std::vector<std::string>* calls = nullptr) {
  return {name, role, "", [=]() -> Result<Measure> {
            return Measure([=, next = std::size_t{0}](Nanoseconds) mutable -> Result<double> {
              if (calls != nullptr) calls->push_back(name);
              return values[next++ % values.size()];
            });
          }};
}

Contender failing(std::string name, Role role) {
  return {std::move(name), role, "", []() -> Result<Measure> {
            return Error(ErrorCode::kUnsupported, "not on this machine");
          }};
}

Benchmark benchmark_of(std::vector<Contender> contenders, Better better = Better::kLower) {
  return {.name = "row",
          .unit = "ns/op",
          .better = better,
          .contenders = std::move(contenders),
          .bars = {}};
}

Plan rounds(std::size_t count) {
  Plan plan;
  plan.rounds = count;
  plan.slice = std::chrono::milliseconds(1);
  return plan;
}

TEST(BenchFigure, MedianIsTheMiddleOrTheMeanOfTheTwoMiddleSamples) {
  Figure figure;
  figure.samples = {9, 1, 5};
  EXPECT_EQ(figure.median(), 5);
  figure.samples = {9, 1, 5, 7};
  EXPECT_EQ(figure.median(), 6);
  EXPECT_EQ(figure.min(), 1);
  EXPECT_EQ(figure.max(), 9);
}

TEST(BenchRun, InterleavesContendersAndStartsEachRoundWithAnother) {
  std::vector<std::string> calls;
  std::vector<Contender> contenders;
  for (const char* name : {"a", "b", "c"}) {
    contenders.push_back(scripted(name, Role::kPeer, {1}, &calls));
  }
  run(benchmark_of(std::move(contenders)), rounds(3));
  const std::vector<std::string> expected = {"a", "b", "c",  // Warming up.
                                             "a", "b", "c",  //
                                             "b", "c", "a",  //
                                             "c", "a", "b"};
  EXPECT_EQ(calls, expected);
}

TEST(BenchRun, ThrowsTheWarmingSliceAway) {
  std::vector<Contender> contenders;
  contenders.push_back(scripted("nacre", Role::kNacre, {1000, 2, 3, 4}));
  const Row row = run(benchmark_of(std::move(contenders)), rounds(3));
  EXPECT_EQ(row.figures[0].samples, (std::vector<double>{2, 3, 4}));
}

TEST(BenchRun, ARowMayHaveFewerRoundsThanPlannedButNotMore) {
  for (const auto& [most, expected] : {std::pair(2, 2), {0, 3}, {5, 3}}) {
    std::vector<Contender> contenders;
    contenders.push_back(scripted("nacre", Role::kNacre, {1}));
    Benchmark row = benchmark_of(std::move(contenders));
    row.max_rounds = static_cast<std::size_t>(most);
    EXPECT_EQ(run(std::move(row), rounds(3)).figures[0].samples.size(), expected) << most;
  }
}

TEST(BenchRun, AContenderThatFailsHasNoFigureAndTheOthersGoOn) {
  std::vector<Contender> contenders;
  contenders.push_back(scripted("nacre", Role::kNacre, {2}));
  contenders.push_back(failing("msync", Role::kPeer));
  const Row row = run(benchmark_of(std::move(contenders)), rounds(2));
  EXPECT_NE(row.find("nacre"), nullptr);
  EXPECT_EQ(row.find("msync"), nullptr);
  EXPECT_NE(row.figures[1].failure.find("not on this machine"), std::string::npos);
}

TEST(BenchRun, ZeroIsNoFigure) {
  std::vector<Contender> contenders;
  contenders.push_back(scripted("nacre", Role::kNacre, {5, 0}));
  const Row row = run(benchmark_of(std::move(contenders)), rounds(2));
  EXPECT_EQ(row.find("nacre"), nullptr);
}

TEST(BenchRun, EndsAfterOneRoundWhenTheDeadlineHasPassed) {
  std::vector<Contender> contenders;
  contenders.push_back(scripted("nacre", Role::kNacre, {5}));
  Plan plan = rounds(100);
  plan.deadline = SteadyClock::now();
  const Row row = run(benchmark_of(std::move(contenders)), plan);
  EXPECT_EQ(row.figures[0].samples.size(), 1U);
}

TEST(BenchRun, HoldsNacreAgainstItsBars) {
  std::vector<Contender> contenders;
  contenders.push_back(scripted("nacre", Role::kNacre, {11}));
  contenders.push_back(scripted("floor", Role::kFloor, {10}));
  contenders.push_back(failing("msync", Role::kPeer));
  Benchmark benchmark = benchmark_of(std::move(contenders));
  benchmark.bars = {{"floor", 1.15}, {"floor", 1.05}, {"msync", 1}, {"", 12}};
  const Row row = run(std::move(benchmark), rounds(1));
  // What was not measured judges nothing.
  ASSERT_EQ(row.bars.size(), 3U);
  EXPECT_TRUE(row.bars[0].met);
  EXPECT_DOUBLE_EQ(row.bars[0].ratio, 1.1);
  EXPECT_FALSE(row.bars[1].met);
  EXPECT_TRUE(row.bars[2].met);
}

TEST(BenchRun, ARateMustReachItsBar) {
  std::vector<Contender> contenders;
  contenders.push_back(scripted("nacre", Role::kNacre, {16}));
  contenders.push_back(scripted("nacre_1_thread", Role::kVariant, {10}));
  Benchmark benchmark = benchmark_of(std::move(contenders), Better::kHigher);
  benchmark.bars = {{"nacre_1_thread", 1.7}, {"nacre_1_thread", 1.5}};
  const Row row = run(std::move(benchmark), rounds(1));
  EXPECT_FALSE(row.bars[0].met);
  EXPECT_TRUE(row.bars[1].met);
}

TEST(BenchNsPerOperation, StopsAtTheFirstFailure) {
  int calls = 0;
  const auto figure =
      ns_per_operation(std::chrono::hours(1), [&](std::uint64_t) { return ++calls < 3; });
  EXPECT_EQ(figure, std::nullopt);
  EXPECT_EQ(calls, 3);
}

/// Gives the same figure at each slice, and the next of `p99` beside it.
Contender with_p99(const std::string& name, Role role, double value, std::vector<double> p99) {
  return {name, role, "", [=]() -> Result<Measure> {
            return Measure([=, next = std::size_t{0}](Nanoseconds) mutable -> Result<Sample> {
              return Sample(value, {{"p99_ns", p99[next++ % p99.size()]}});
            });
          }};
}

TEST(BenchRun, KeepsWhatStandsBesideAFigureButNotThatOfTheWarmingSlice) {
  std::vector<Contender> contenders;
  contenders.push_back(with_p99("nacre", Role::kNacre, 5, {1000, 10, 30, 20}));
  const Row row = run(benchmark_of(std::move(contenders)), rounds(3));
  EXPECT_EQ(row.figures[0].samples, (std::vector<double>{5, 5, 5}));
  EXPECT_EQ(row.figures[0].median_beside("p99_ns"), 20);
  EXPECT_EQ(row.figures[0].median_beside("cpu_ns"), std::nullopt);
}

TEST(BenchRun, WhatIsNoFigureIsNoneBesideOneEither) {
  std::vector<Contender> contenders;
  contenders.push_back(with_p99("nacre", Role::kNacre, 5, {0, 10, -1}));
  const Row row = run(benchmark_of(std::move(contenders)), rounds(3));
  EXPECT_FALSE(row.figures[0].measured());
  EXPECT_TRUE(row.figures[0].beside.empty());
  EXPECT_NE(row.figures[0].failure.find("p99_ns -1"), std::string::npos) << row.figures[0].failure;
}

TEST(BenchRun, ABarMayBeForWhatStandsBesideAndIsThenAtMostWhicheverWayTheRowIsBetter) {
  std::vector<Contender> contenders;
  contenders.push_back(with_p99("nacre", Role::kNacre, 100, {60}));
  contenders.push_back(with_p99("idle", Role::kVariant, 100, {20}));
  Benchmark benchmark = benchmark_of(std::move(contenders), Better::kHigher);
  benchmark.bars = {{"", 59, "p99_ns"},
                    {"", 60, "p99_ns"},
                    {"idle", 3, "p99_ns"},
                    {"idle", 2.9, "p99_ns"},
                    {"idle", 1, "cpu_ns"}};
  const Row row = run(std::move(benchmark), rounds(1));
  ASSERT_EQ(row.bars.size(), 4U);
  EXPECT_FALSE(row.bars[0].met);
  EXPECT_TRUE(row.bars[1].met);
  EXPECT_EQ(row.bars[1].text, "p99_ns <= 60");
  EXPECT_TRUE(row.bars[2].met);
  EXPECT_EQ(row.bars[2].text, "p99_ns <= 3 x idle");
  EXPECT_FALSE(row.bars[3].met);
}

}  // namespace
}  // namespace nacre::bench
