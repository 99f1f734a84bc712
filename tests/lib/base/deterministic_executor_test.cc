#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "nacre/executor.h"
#include "tests/lib/base/executor_contract.h"
#include "tests/support/seed.h"

namespace nacre {
namespace {

using test::ExecutorCase;
using test::ExecutorContract;

INSTANTIATE_TEST_SUITE_P(Deterministic, ExecutorContract,
                         testing::Values(ExecutorCase{
                             "Seeded",
                             [] { return std::make_unique<DeterministicExecutor>(test::seed()); }}),
                         [](const auto& one) { return one.param.name; });

/// The order in which twenty tasks, every third of which submits and waits for another, ran.
std::vector<int> order_from(std::uint64_t seed) {
  std::vector<int> order;
  DeterministicExecutor executor(seed);
  TaskGroup group(executor);
  for (int i = 0; i < 20; ++i) {
    group.run([&, i] {
      order.push_back(i);
      if (i % 3 != 0) return;
      TaskGroup inner(executor);
      inner.run([&, i] { order.push_back(100 + i); });
      inner.wait();
      order.push_back(200 + i);
    });
  }
  group.wait();
  return order;
}

TEST(DeterministicExecutor, TheSameSeedReplaysTheSameOrder) {
  const std::uint64_t seed = test::seed();
  const std::vector<int> order = order_from(seed);
  EXPECT_EQ(order.size(), 20U + 7U + 7U);
  EXPECT_EQ(order_from(seed), order);
}

TEST(DeterministicExecutor, DifferentSeedsInterleaveDifferently) {
  EXPECT_NE(order_from(1), order_from(2));
}

TEST(DeterministicExecutor, RunsNothingUntilItIsDriven) {
  DeterministicExecutor executor(1);
  int runs = 0;
  executor.submit([&runs] { ++runs; });
  executor.submit([&runs] { ++runs; });
  EXPECT_EQ(runs, 0);
  EXPECT_EQ(executor.run_all(), 2U);
  EXPECT_EQ(runs, 2);
  EXPECT_EQ(executor.run_all(), 0U);
}

TEST(DeterministicExecutorDeathTest, CallsADeadlockByItsName) {
  DeterministicExecutor executor(1);
  EXPECT_DEATH(executor.run_until([] { return false; }), "deadlock");
}

}  // namespace
}  // namespace nacre
