#include <gtest/gtest.h>
#include <pthread.h>

#include <array>
#include <atomic>
#include <barrier>
#include <csignal>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "nacre/executor.h"
#include "tests/lib/base/executor_contract.h"
#include "tests/support/result_matchers.h"

namespace nacre {
namespace {

using test::ExecutorCase;
using test::ExecutorContract;

std::unique_ptr<ThreadPool> make_pool(std::size_t threads) {
  return ThreadPool::create(threads).value();
}

INSTANTIATE_TEST_SUITE_P(ThreadPool, ExecutorContract,
                         testing::Values(ExecutorCase{"OneThread", [] { return make_pool(1); }},
                                         ExecutorCase{"FourThreads", [] { return make_pool(4); }}),
                         [](const auto& one) { return one.param.name; });

TEST(ThreadPool, RunsAsManyTasksAtOnceAsItHasThreads) {
  const auto pool = make_pool(3);
  EXPECT_EQ(pool->parallelism(), 3U);
  std::barrier all_there(3);
  TaskGroup group(*pool);
  for (int i = 0; i < 3; ++i) group.run([&all_there] { all_there.arrive_and_wait(); });
  group.wait();
}

// The only worker is held by a task that ends after the queued one has run, so that one can only be
// run by the thread that waits.
TEST(ThreadPool, AWaiterRunsTasksWhenEveryWorkerIsTaken) {
  const auto pool = make_pool(1);
  std::atomic<bool> worker_taken{false};
  std::atomic<bool> second_ran{false};
  TaskGroup group(*pool);
  group.run([&] {
    worker_taken = true;
    worker_taken.notify_all();
    second_ran.wait(false);
  });
  worker_taken.wait(false);
  std::thread::id ran_on;
  group.run([&] {
    ran_on = std::this_thread::get_id();
    second_ran = true;
    second_ran.notify_all();
  });
  group.wait();
  EXPECT_EQ(ran_on, std::this_thread::get_id());
}

// The waiter asks its condition under the pool's lock just before it sleeps, so the task that waits
// for that question submits to a pool whose waiter sleeps and whose only worker is taken.
TEST(ThreadPool, ASleepingWaiterIsWokenForWhatNoWorkerCanFetch) {
  const auto pool = make_pool(1);
  std::atomic<bool> asked{false};
  std::atomic<bool> helped{false};
  std::atomic<bool> done{false};
  pool->submit([&] {
    asked.wait(false);
    pool->submit([&helped] {
      helped = true;
      helped.notify_all();
    });
    helped.wait(false);
    done = true;
  });
  pool->run_until([&] {
    asked = true;
    asked.notify_all();
    return done.load();
  });
  EXPECT_TRUE(helped);
}

TEST(ThreadPool, AnyNumberOfThreadsMayWait) {
  const auto pool = make_pool(2);
  std::atomic<int> runs{0};
  std::vector<std::thread> users;
  for (int i = 0; i < 4; ++i) {
    users.emplace_back([&] {
      for (int round = 0; round < 50; ++round) {
        TaskGroup group(*pool);
        for (int j = 0; j < 4; ++j) group.run([&runs] { ++runs; });
      }
    });
  }
  for (std::thread& user : users) user.join();
  EXPECT_EQ(runs, 4 * 50 * 4);
}

TEST(ThreadPool, ThreadsCarryANameAndLeaveSignalsToOthers) {
  const auto pool = make_pool(1);
  std::array<char, 32> name{};
  sigset_t blocked;
  sigemptyset(&blocked);
  std::atomic<bool> done{false};
  pool->submit([&] {
    pthread_getname_np(pthread_self(), name.data(), name.size());
    pthread_sigmask(SIG_BLOCK, nullptr, &blocked);
    done = true;
  });
  pool->run_until([&done] { return done.load(); });
  EXPECT_EQ(std::string(name.data()), "nacre-0");
  EXPECT_EQ(sigismember(&blocked, SIGTERM), 1);
  EXPECT_EQ(sigismember(&blocked, SIGBUS), 0);
}

}  // namespace
}  // namespace nacre
