// Workloads of several threads: one of them at a time, in an order that a seed decides.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "emulation/simulation/machine.h"
#include "nacre/emulation/crash_test.h"
#include "nacre/emulation/durable_linearizability.h"

namespace nacre {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;

constexpr std::size_t kLine = 64;

std::uint64_t read_u64(pmem::Region& region, std::size_t offset) {
  std::uint64_t value = 0;
  std::memcpy(&value, region.load(offset, sizeof value).data(), sizeof value);
  return value;
}

/// What the threads of `run` did, one line for each event.
std::string trace_of(const ThreadScheduleOptions& schedule,
                     const std::function<void(SimulatedMachine&, CrashRun&)>& run) {
  auto machine = SimulatedMachine::create({});
  EXPECT_TRUE(machine.has_value());
  machine->core().set_schedule(schedule);
  CrashRun crash_run(machine->core());
  run(*machine, crash_run);
  std::string text;
  for (const Event& event : machine->core().trace().events()) {
    text += fmt::format("{}:{}@{}\n", event.thread, static_cast<int>(event.kind), event.address);
  }
  return text;
}

/// Locks, a condition variable and an atomic that threads wait for, and stores to one page.
void contend(SimulatedMachine& machine, CrashRun& run) {
  std::mutex mutex;
  std::condition_variable changed;
  std::size_t turns = 0;
  std::atomic<int> ended = 0;
  const auto work = [&](std::size_t thread) {
    for (std::size_t i = 0; i < 3; ++i) {
      run.operation("turn", [&] {
        machine.region().data()[thread * 8 + i] = std::byte{1};
        const std::scoped_lock lock(mutex);
        machine.region().store_u64(kLine, thread);
        machine.region().fence();
        ++turns;
        changed.notify_all();
      });
    }
    ended.fetch_add(1);
    ended.notify_all();
  };
  run.threads({[&] { work(0); }, [&] { work(1); },
               [&] {
                 std::unique_lock lock(mutex);
                 changed.wait(lock, [&] { return turns >= 4; });
                 machine.region().store_u64(2 * kLine, turns);
               },
               [&] {
                 for (int seen = ended.load(); seen < 2; seen = ended.load()) ended.wait(seen);
                 machine.region().store_u64(3 * kLine, 1);
               }});
}

TEST(CrashThreads, TheSameSeedIsTheSameRun) {
  for (const std::uint64_t seed : {1U, 2U, 3U}) {
    const ThreadScheduleOptions schedule{.seed = seed, .steps = 80, .preemptions = 3};
    const std::string first = trace_of(schedule, contend);
    for (int again = 0; again < 20; ++again) ASSERT_EQ(trace_of(schedule, contend), first) << seed;
  }
}

TEST(CrashThreads, OtherSeedsAreOtherRuns) {
  std::set<std::string> traces;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    traces.insert(trace_of({.seed = seed, .steps = 80, .preemptions = 3}, contend));
  }
  EXPECT_GT(traces.size(), 10U);
}

TEST(CrashThreads, WhoSpinsWithASystemCallLetsOthersGoFirst) {
  const auto spin = [](SimulatedMachine& machine, CrashRun& run) {
    std::atomic<bool> stored = false;
    const auto await = [&](const auto& pause) {
      while (!stored.load()) pause();
    };
    run.threads({[&] { await([] { ::sched_yield(); }); },
                 [&] { await([] { std::this_thread::sleep_for(std::chrono::hours(1)); }); },
                 [&] {
                   machine.region().store_u64(0, 1);
                   stored.store(true);
                 }});
  };
  const std::string first = trace_of({.seed = 1}, spin);
  for (std::uint64_t seed = 2; seed < 8; ++seed) EXPECT_EQ(trace_of({.seed = seed}, spin), first);
}

// A timeout ends when nobody else is able to go on, however long it is.
TEST(CrashThreads, ATimeoutTakesNoTime) {
  const auto wait = [](SimulatedMachine& machine, CrashRun& run) {
    std::mutex mutex;
    std::condition_variable never;
    run.threads({[&] {
                   std::unique_lock lock(mutex);
                   never.wait_for(lock, std::chrono::milliseconds(20));
                   machine.region().store_u64(0, 1);
                 },
                 [&] { machine.region().store_u64(kLine, 1); }});
  };
  const std::string first = trace_of({.seed = 1}, wait);
  EXPECT_EQ(std::ranges::count(first, '\n'), 4) << first;
  EXPECT_EQ(trace_of({.seed = 2}, wait), first);
}

TEST(CrashThreads, AThreadThatTheyStartWaitsForReal) {
  const auto start = [](SimulatedMachine& machine, CrashRun& run) {
    run.threads({[&] {
      std::atomic<int> ready = 0;
      std::thread helper([&] {
        ready.store(1);
        ready.notify_one();
        ready.wait(1);
      });
      ready.wait(0);
      ready.store(2);
      ready.notify_one();
      helper.join();
      machine.region().store_u64(0, 1);
    }});
  };
  EXPECT_EQ(std::ranges::count(trace_of({.seed = 1}, start), '\n'), 2);
}

/// Numbers a line each; the first word counts those that are there. Threads put numbers at once.
class SharedTable {
 public:
  enum class Bug : std::uint8_t { kNone, kCountsOthers };

  SharedTable(pmem::Region& region, Bug bug) : region_(region), bug_(bug) {}

  void put(std::uint64_t number) {
    const std::unique_lock whole =
        bug_ == Bug::kNone ? std::unique_lock(mutex_) : std::unique_lock<std::mutex>();
    const std::size_t slot = next_.fetch_add(1) + 1;
    region_.copy(slot * kLine, std::as_bytes(std::span(&number, 1)));
    region_.fence();
    // The slots before it may belong to threads that have not filled them.
    region_.store_u64(0, std::max(read_u64(region_, 0), slot));
    region_.fence();
  }

  static Result<std::vector<std::uint64_t>> numbers(pmem::Region& region) {
    std::vector<std::uint64_t> found;
    const std::uint64_t count = read_u64(region, 0);
    for (std::uint64_t slot = 1; slot <= count; ++slot) {
      found.push_back(read_u64(region, slot * kLine));
    }
    std::ranges::sort(found);
    return found;
  }

 private:
  pmem::Region& region_;
  Bug bug_;
  std::mutex mutex_;
  std::atomic<std::size_t> next_ = 0;
};

struct NumberSet {
  std::vector<std::uint64_t> numbers = {};
  void apply(const std::uint64_t& number) {
    numbers.insert(std::ranges::lower_bound(numbers, number), number);
  }
  friend bool operator==(const NumberSet&, const NumberSet&) = default;
  friend bool operator==(const NumberSet& set, const std::vector<std::uint64_t>& found) {
    return set.numbers == found;
  }
};

CrashReport explore_table(SharedTable::Bug bug, const CrashTestOptions& options) {
  CrashCalls<std::uint64_t> calls;
  return CrashTest<std::vector<std::uint64_t>>(options)
      .run([&](SimulatedMachine& machine, CrashRun& run) {
        calls.clear();
        SharedTable table(machine.region(), bug);
        const auto put = [&](std::uint64_t number) {
          calls.perform(run, fmt::format("put {}", number), number, [&] { table.put(number); });
        };
        run.threads({[&] {
                       put(11);
                       put(12);
                     },
                     [&] { put(21); }});
      })
      .recover([](SimulatedMachine& machine) { return SharedTable::numbers(machine.region()); })
      .check([&](const std::vector<std::uint64_t>& found, const CrashHistory& history) {
        return durably_linearizable(NumberSet(), calls.all(), history, found);
      })
      .explore();
}

TEST(CrashThreads, ACorrectTablePassesAndClaimsNoMoreThanItsSchedules) {
  const CrashReport report = explore_table(SharedTable::Bug::kNone, {});
  EXPECT_EQ(report.verdict, CrashVerdict::kBounded) << report.to_string();
  EXPECT_TRUE(report.tried_each_state);
  EXPECT_EQ(report.schedules, 20U);
  EXPECT_GT(report.different_schedules, 4U);
  EXPECT_LE(report.different_schedules, 20U);
  EXPECT_THAT(report.to_string(),
              HasSubstr(fmt::format("in every state that a crash may leave of {} different "
                                    "schedules of the threads; there are other schedules",
                                    report.different_schedules)));
}

TEST(CrashThreads, FindsARaceOfPublicationThatSomeSchedulesShow) {
  const CrashReport report = explore_table(SharedTable::Bug::kCountsOthers, {});
  ASSERT_EQ(report.verdict, CrashVerdict::kFailed) << report.to_string();
  EXPECT_GT(report.schedules, 1U);
  // In turn, the threads do no harm.
  const CrashReport in_turn =
      explore_table(SharedTable::Bug::kCountsOthers, {.schedules = 20, .preemptions = 0});
  EXPECT_EQ(in_turn.verdict, CrashVerdict::kBounded) << in_turn.to_string();
}

TEST(CrashThreads, AFailureNamesItsScheduleToo) {
  const CrashReport report = explore_table(SharedTable::Bug::kCountsOthers, {});
  ASSERT_EQ(report.failures.size(), 1U);
  const std::string& named = report.failures[0].reproduction;
  EXPECT_THAT(named, HasSubstr("/"));
  const CrashReport again = explore_table(SharedTable::Bug::kCountsOthers, {.reproduce = named});
  ASSERT_EQ(again.failures.size(), 1U) << again.to_string();
  EXPECT_EQ(again.failures[0].reproduction, named);
  EXPECT_EQ(again.failures[0].message, report.failures[0].message);
  EXPECT_EQ(again.failures[0].crash_point, report.failures[0].crash_point);
}

TEST(CrashThreads, AllInOneProcessIsTheSame) {
  const CrashReport children = explore_table(SharedTable::Bug::kNone, {.schedules = 5});
  const CrashReport here =
      explore_table(SharedTable::Bug::kNone, {.schedules = 5, .in_process = true});
  EXPECT_EQ(here.verdict, CrashVerdict::kBounded);
  EXPECT_EQ(here.different_schedules, children.different_schedules);
  EXPECT_EQ(here.states, children.states);
}

TEST(CrashThreads, ASmallBudgetIsSharedAndAdmitted) {
  const CrashReport report =
      explore_table(SharedTable::Bug::kNone, {.max_states = 100, .schedules = 10});
  EXPECT_EQ(report.verdict, CrashVerdict::kBounded);
  EXPECT_FALSE(report.tried_each_state);
  EXPECT_EQ(report.schedules, 10U);
  EXPECT_THAT(report.to_string(), HasSubstr("every check passed, in some states of"));
}

TEST(CrashThreads, TwoThreadsThatWaitForEachOtherAreAProblem) {
  const CrashReport report =
      CrashTest<int>()
          .run([](SimulatedMachine& machine, CrashRun& run) {
            std::mutex one;
            std::mutex other;
            const auto lock_both = [&](std::mutex& first, std::mutex& second) {
              const std::scoped_lock lock_first(first);
              machine.region().store_u64(0, 1);
              machine.region().fence();
              const std::scoped_lock lock_second(second);
            };
            run.threads({[&] { lock_both(one, other); }, [&] { lock_both(other, one); }});
          })
          .recover([](SimulatedMachine&) -> Result<int> { return 0; })
          .check([](int, const CrashHistory&) { return Status(); })
          .explore();
  EXPECT_EQ(report.verdict, CrashVerdict::kInconclusive);
  EXPECT_FALSE(report.passed());
  EXPECT_THAT(report.problem, HasSubstr("a deadlock; under schedule"));
}

}  // namespace
}  // namespace nacre
