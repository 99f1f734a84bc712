// What a history explains: by hand, and against every order of a few calls.

#include "nacre/emulation/durable_linearizability.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <string>
#include <vector>

#include "nacre/emulation/crash_test.h"
#include "nacre/random.h"
#include "tests/support/seed.h"

namespace nacre {
namespace {

using ::testing::HasSubstr;

/// A number is put at the end; 0 takes one off the front, if there is one.
struct Queue {
  std::vector<int> numbers;

  int apply(const int& number) {
    if (number != 0) {
      numbers.push_back(number);
      return 0;
    }
    if (numbers.empty()) return 0;
    const int front = numbers.front();
    numbers.erase(numbers.begin());
    return front;
  }
  friend bool operator==(const Queue&, const Queue&) = default;
};

std::string to_string(const Queue& queue) {
  return fmt::format("[{}]", fmt::join(queue.numbers, " "));
}

struct Call {
  int number = 0;
  std::size_t begun = 0;
  std::size_t ended = 0;
  int result = 0;
};

/// A history that has been cut off at `now`.
class Cut {
 public:
  Cut(const std::vector<Call>& calls, std::size_t now, std::size_t promised = 0)
      : now_(now), promised_(promised) {
    for (const Call& call : calls) {
      operations_.push_back({.name = call.number == 0 ? "take" : fmt::format("put {}", call.number),
                             .thread = 0,
                             .begun = call.begun,
                             .ended = call.ended});
      calls_.push_back(
          {.operation = calls_.size(), .op = call.number, .result = std::optional(call.result)});
    }
  }
  CrashHistory history() const { return {operations_, now_, promised_}; }
  Status durable(const Queue& found) const {
    return durably_linearizable(Queue(), std::span<const CrashCall<int, int>>(calls_), history(),
                                found);
  }
  Status buffered(const Queue& found) const {
    return buffered_prefix(Queue(), std::span<const CrashCall<int, int>>(calls_), history(), found);
  }

 private:
  std::vector<CrashOperation> operations_;
  std::vector<CrashCall<int, int>> calls_;
  std::size_t now_;
  std::size_t promised_;
};

std::string message(const Status& status) {
  return status ? "explained" : status.error().message();
}

const std::vector<Call> kOneAfterTheOther = {{1, 1, 2}, {2, 3, 4}, {3, 5, 6}};

TEST(DurableLinearizability, WhatHasReturnedIsThereAndWhatIsUnderWayMayBe) {
  const Cut cut(kOneAfterTheOther, 3);
  EXPECT_EQ(message(cut.durable({{1}})), "explained");
  EXPECT_EQ(message(cut.durable({{1, 2}})), "explained");
}

TEST(DurableLinearizability, NamesWhatIsLost) {
  EXPECT_EQ(message(Cut(kOneAfterTheOther, 4).durable({{1}})),
            "lost: 'put 2', which had returned before the crash");
  EXPECT_EQ(message(Cut(kOneAfterTheOther, 4).durable({{2}})),
            "lost: 'put 1', which had returned before the crash");
  EXPECT_EQ(message(Cut(kOneAfterTheOther, 6).durable({})),
            "lost: 'put 1', 'put 2', 'put 3', which had returned before the crash");
}

TEST(DurableLinearizability, NamesWhatIsThereTooEarly) {
  EXPECT_EQ(message(Cut(kOneAfterTheOther, 4).durable({{1, 2, 3}})),
            "there before it began: 'put 3'");
}

TEST(DurableLinearizability, NamesWhatTookEffectTwice) {
  EXPECT_EQ(message(Cut(kOneAfterTheOther, 4).durable({{1, 2, 2}})), "took effect twice: 'put 2'");
}

TEST(DurableLinearizability, NamesWhatCameInTheWrongOrder) {
  EXPECT_EQ(message(Cut(kOneAfterTheOther, 4).durable({{2, 1}})),
            "'put 2' took effect before 'put 1', which had returned before it began");
}

TEST(DurableLinearizability, NamesTheResultThatNoOrderGives) {
  EXPECT_EQ(message(Cut({{1, 1, 2}, {0, 3, 4, 7}}, 4).durable({})),
            "no order of the calls gives what was returned by 'take': 7");
}

TEST(DurableLinearizability, ShowsWhatNothingExplains) {
  EXPECT_EQ(
      message(Cut(kOneAfterTheOther, 5).durable({{1, 9}})),
      "no set of the calls gives what recovery found: [1 9]; the calls that had returned give "
      "[1 2]; under way: 'put 3'");
}

TEST(DurableLinearizability, CallsAtOnceMayBeInEitherOrder) {
  const Cut cut({{1, 1, 4}, {2, 2, 3}}, 4);
  EXPECT_EQ(message(cut.durable({{1, 2}})), "explained");
  EXPECT_EQ(message(cut.durable({{2, 1}})), "explained");
}

// Another thread was given the number, so that the call that has put it there took effect.
TEST(DurableLinearizability, AResultTellsWhatTheOrderWas) {
  const Cut cut({{1, 1, 6}, {2, 2, 5}, {0, 3, 4, 2}}, 6);
  EXPECT_EQ(message(cut.durable({{1}})), "explained");
  EXPECT_THAT(message(cut.durable({{2}})), HasSubstr("no order of the calls gives"));
}

// As it was under way, nobody has been told what it returned.
TEST(DurableLinearizability, TheResultOfACallUnderWayCountsForNothing) {
  EXPECT_EQ(message(Cut({{1, 1, 2}, {0, 3, 4, 7}}, 3).durable({})), "explained");
}

TEST(DurableLinearizability, RefusesMoreCallsThanItCanExplain) {
  std::vector<Call> calls;
  for (std::size_t i = 0; i < 65; ++i) calls.push_back({1, 2 * i + 1, 2 * i + 2});
  const Status refused = Cut(calls, 0).durable({});
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code(), ErrorCode::kUnsupported);
}

// Twenty puts at once, all different, have 20! orders; none gives a number that nobody put.
TEST(DurableLinearizability, GivesUpRatherThanToTryForEver) {
  std::vector<Call> calls;
  for (int i = 1; i <= 20; ++i) calls.push_back({i, static_cast<std::size_t>(i), 100});
  const Status refused = Cut(calls, 100).durable({{99}});
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code(), ErrorCode::kUnsupported);
}

TEST(BufferedPrefix, IsNoShorterThanWhatWasPromised) {
  const Cut cut(kOneAfterTheOther, 6, /*promised=*/1);
  EXPECT_EQ(message(cut.buffered({{1}})), "explained");
  EXPECT_EQ(message(cut.buffered({{1, 2}})), "explained");
  EXPECT_EQ(message(cut.buffered({})), "lost: 'put 1', which had been promised to be durable");
}

TEST(BufferedPrefix, IsNoLongerThanWhatHasBegun) {
  const Cut cut(kOneAfterTheOther, 4, /*promised=*/0);
  EXPECT_EQ(message(cut.buffered({{1, 2, 3}})), "there before it began: 'put 3'");
}

TEST(BufferedPrefix, HasNoHoles) {
  const Cut cut(kOneAfterTheOther, 6, /*promised=*/1);
  EXPECT_EQ(message(cut.buffered({{1, 3}})),
            "'put 3' is there without 'put 2', which had returned before it began");
}

// What was read of a call that is lost was read all the same.
TEST(BufferedPrefix, TheOrderBehindItExplainsTheResults) {
  const std::vector<Call> calls = {{1, 1, 4}, {2, 2, 3}, {0, 5, 6, 2}};
  EXPECT_EQ(message(Cut(calls, 6).buffered({{2}})), "explained");
  EXPECT_THAT(message(Cut(calls, 6).buffered({{1, 2}})), HasSubstr("'take': 2"));
}

/// Every order of every set of the calls, one by one.
class EveryOrder {
 public:
  EveryOrder(const std::vector<Call>& calls, std::size_t now, std::size_t promised)
      : calls_(calls), now_(now), promised_(promised) {}

  bool durable(const Queue& found) const {
    return any_order([&](const std::vector<std::size_t>& order) { return run(order) == found; });
  }
  bool buffered(const Queue& found) const {
    return any_order([&](const std::vector<std::size_t>& order) {
      for (std::size_t length = 0; length <= order.size(); ++length) {
        const std::vector<std::size_t> prefix(order.begin(),
                                              order.begin() + static_cast<std::ptrdiff_t>(length));
        bool all_promised = true;
        for (std::size_t i = 0; i < promised_; ++i) {
          all_promised &= std::ranges::find(prefix, i) != prefix.end();
        }
        if (all_promised && run(prefix) == found) return true;
      }
      return false;
    });
  }

 private:
  bool completed(std::size_t i) const { return calls_[i].ended <= now_; }
  Queue run(const std::vector<std::size_t>& order) const {
    Queue queue;
    for (const std::size_t i : order) queue.apply(calls_[i].number);
    return queue;
  }

  template <class Asked>
  bool any_order(Asked asked) const {
    std::vector<std::size_t> begun;
    for (std::size_t i = 0; i < calls_.size(); ++i) {
      if (calls_[i].begun <= now_) begun.push_back(i);
    }
    for (std::size_t set = 0; set < (std::size_t{1} << begun.size()); ++set) {
      std::vector<std::size_t> order;
      bool has_all = true;
      for (std::size_t bit = 0; bit < begun.size(); ++bit) {
        const bool is_in = (set >> bit & 1) != 0;
        if (is_in) order.push_back(begun[bit]);
        has_all &= is_in || !completed(begun[bit]);
      }
      if (!has_all) continue;
      do {
        if (is_possible(order) && asked(order)) return true;
      } while (std::ranges::next_permutation(order).found);
    }
    return false;
  }

  bool is_possible(const std::vector<std::size_t>& order) const {
    for (std::size_t late = 0; late < order.size(); ++late) {
      for (std::size_t early = 0; early < late; ++early) {
        if (calls_[order[late]].ended < calls_[order[early]].begun) return false;
      }
    }
    Queue queue;
    for (const std::size_t i : order) {
      const int result = queue.apply(calls_[i].number);
      if (completed(i) && result != calls_[i].result) return false;
    }
    return true;
  }

  const std::vector<Call>& calls_;
  std::size_t now_;
  std::size_t promised_;
};

/// Up to three threads, and calls that took effect in some order, or in none.
std::vector<Call> random_calls(RandomSource& random) {
  std::vector<Call> calls;
  std::vector<std::size_t> open;
  std::size_t mark = 0;
  Queue queue;
  while (calls.size() < 5 || !open.empty()) {
    const bool begins =
        calls.size() < 5 && (open.empty() || (open.size() < 3 && uniform_below(random, 2) == 0));
    if (begins) {
      open.push_back(calls.size());
      const int number = uniform_below(random, 3) == 0 ? 0 : static_cast<int>(calls.size()) + 1;
      calls.push_back({number, ++mark, 0, 0});
      continue;
    }
    const std::size_t which = uniform_below(random, open.size());
    Call& call = calls[open[which]];
    call.result = uniform_below(random, 8) == 0 ? 1 : queue.apply(call.number);
    call.ended = ++mark;
    open.erase(open.begin() + static_cast<std::ptrdiff_t>(which));
  }
  return calls;
}

/// Some of the numbers, most often in their order.
Queue random_found(RandomSource& random, std::size_t calls) {
  Queue found;
  for (std::size_t i = 1; i <= calls; ++i) {
    if (uniform_below(random, 2) == 0) found.numbers.push_back(static_cast<int>(i));
  }
  if (found.numbers.size() > 1 && uniform_below(random, 4) == 0) {
    std::swap(found.numbers[0], found.numbers[1]);
  }
  return found;
}

TEST(DurableLinearizability, SaysWhatEveryOrderSays) {
  SeededRandom random(test::seed());
  std::size_t durable = 0;
  std::size_t buffered = 0;
  for (int round = 0; round < 3000; ++round) {
    const std::vector<Call> calls = random_calls(random);
    const std::size_t now = uniform_below(random, 2 * calls.size() + 1);
    // As a sync promises: everything that has returned by then, up to the first that has not.
    std::size_t promised = 0;
    while (promised < calls.size() && calls[promised].ended <= now) ++promised;
    promised = uniform_below(random, promised + 1);
    const Cut cut(calls, now, promised);
    const EveryOrder every(calls, now, promised);
    const Queue found = random_found(random, calls.size());
    const Status is_durable = cut.durable(found);
    const Status is_buffered = cut.buffered(found);
    ASSERT_EQ(is_durable.has_value(), every.durable(found)) << message(is_durable);
    ASSERT_EQ(is_buffered.has_value(), every.buffered(found)) << message(is_buffered);
    durable += is_durable.has_value() ? 1 : 0;
    buffered += is_buffered.has_value() ? 1 : 0;
  }
  // Both answers have been given, and not the same ones.
  EXPECT_GT(durable, 100U);
  EXPECT_GT(buffered, durable);
  EXPECT_LT(buffered, 2900U);
}

/// A register that a workload writes, with its calls noted as it makes them.
struct Register {
  std::uint64_t value = 0;
  std::uint64_t apply(const std::uint64_t& written) { return std::exchange(value, written); }
  friend bool operator==(const Register&, const Register&) = default;
};

CrashReport explore_register(bool fenced) {
  CrashCalls<std::uint64_t, std::uint64_t> calls;
  return CrashTest<Register>()
      .run([&](SimulatedMachine& machine, CrashRun& run) {
        calls.clear();
        std::uint64_t before = 0;
        for (const std::uint64_t value : {7U, 8U}) {
          calls.perform(run, fmt::format("write {}", value), value, [&] {
            machine.region().store_u64(0, value);
            if (fenced) machine.region().fence();
            return std::exchange(before, value);
          });
        }
      })
      .recover([](SimulatedMachine& machine) -> Result<Register> {
        Register found;
        std::memcpy(&found.value, machine.region().load(0, sizeof found.value).data(),
                    sizeof found.value);
        return found;
      })
      .check([&](const Register& found, const CrashHistory& history) {
        return durably_linearizable(Register(), calls.all(), history, found);
      })
      .explore();
}

TEST(CrashCalls, CarriesAWorkloadsCallsToItsCheck) {
  EXPECT_EQ(explore_register(true).verdict, CrashVerdict::kExhaustive)
      << explore_register(true).to_string();
  const CrashReport report = explore_register(false);
  ASSERT_EQ(report.verdict, CrashVerdict::kFailed);
  EXPECT_THAT(report.failures[0].message,
              HasSubstr("lost: 'write 7', which had returned before the crash"));
}

}  // namespace
}  // namespace nacre
