#include "tests/lib/base/executor_contract.h"

#include <atomic>
#include <utility>

namespace nacre::test {
namespace {

TEST_P(ExecutorContract, RunsEveryTaskOnce) {
  std::atomic<int> runs{0};
  TaskGroup group(*executor_);
  for (int i = 0; i < 1000; ++i) group.run([&runs] { ++runs; });
  group.wait();
  EXPECT_EQ(runs, 1000);
}

TEST_P(ExecutorContract, RunsTasksThatTasksSubmit) {
  std::atomic<int> runs{0};
  for (int i = 0; i < 10; ++i) {
    executor_->submit([&] {
      for (int j = 0; j < 10; ++j) executor_->submit([&runs] { ++runs; });
    });
  }
  executor_->run_until([&runs] { return runs == 100; });
  EXPECT_EQ(runs, 100);
}

// More waiting tasks than there are threads, three deep: each must run others while it waits.
TEST_P(ExecutorContract, TasksMayWaitForTasks) {
  std::atomic<int> leaves{0};
  TaskGroup outer(*executor_);
  for (int i = 0; i < 8; ++i) {
    outer.run([&] {
      TaskGroup middle(*executor_);
      for (int j = 0; j < 8; ++j) {
        middle.run([&] {
          TaskGroup inner(*executor_);
          for (int k = 0; k < 4; ++k) inner.run([&leaves] { ++leaves; });
        });
      }
    });
  }
  outer.wait();
  EXPECT_EQ(leaves, 8 * 8 * 4);
}

TEST_P(ExecutorContract, ReturnsAtOnceWhenAlreadyDone) {
  int asked = 0;
  executor_->run_until([&asked] { return ++asked > 0; });
  EXPECT_EQ(asked, 1);
}

TEST_P(ExecutorContract, DestructionRunsWhatIsQueued) {
  std::atomic<int> runs{0};
  // A plain pointer: the tasks still submit while the owner is letting go of the executor.
  Executor* executor = executor_.get();
  for (int i = 0; i < 100; ++i) {
    executor->submit([&runs, executor] {
      ++runs;
      executor->submit([&runs] { ++runs; });
    });
  }
  executor_.reset();
  EXPECT_EQ(runs, 200);
}

// What a task captured may point into the waiter's frame, and be used by its destructor.
TEST_P(ExecutorContract, ATaskIsDestroyedBeforeItsGroupEnds) {
  std::atomic<int> alive{0};
  struct Counted {
    explicit Counted(std::atomic<int>& a_count) : count(&a_count) { ++*count; }
    Counted(Counted&& other) noexcept : count(std::exchange(other.count, nullptr)) {}
    ~Counted() {
      if (count != nullptr) --*count;
    }
    std::atomic<int>* count;
  };
  for (int round = 0; round < 100; ++round) {
    TaskGroup group(*executor_);
    for (int i = 0; i < 4; ++i) group.run([counted = Counted(alive)] {});
    group.wait();
    ASSERT_EQ(alive, 0);
  }
}

TEST_P(ExecutorContract, AGroupMayBeUsedAgain) {
  int sum = 0;
  TaskGroup group(*executor_);
  for (int round = 0; round < 3; ++round) {
    group.run([&sum] { ++sum; });
    group.wait();
    EXPECT_EQ(sum, round + 1);
  }
}

TEST_P(ExecutorContract, CanRunAtLeastOneTaskAtOnce) { EXPECT_GE(executor_->parallelism(), 1U); }

}  // namespace
}  // namespace nacre::test
