// Random operations on a store and on a std::map, which must agree.

#include "tests/lib/store/store_model.h"

#include <gtest/gtest.h>

#include <cctype>
#include <string>
#include <tuple>

#include "tests/support/seed.h"

namespace nacre::test {
namespace {

constexpr int kStepsBetweenChecks = 10;

struct Order {
  const char* name;
  Comparator (*make)();
};

using Where = std::tuple<LogPlace, Order>;

class StoreModelTest : public testing::TestWithParam<Where> {};

TEST_P(StoreModelTest, ReadsAsAMapDoes) {
  const auto& [place, order] = GetParam();
  StoreModel model({.place = place, .comparator = order.make(), .seed = seed()});
  // Every write waits for the device there.
  const int rounds = place == LogPlace::kBlock ? 30 : 300;
  for (int round = 0; round < rounds; ++round) {
    for (int i = 0; i < kStepsBetweenChecks; ++i) {
      model.step();
      if (HasFatalFailure()) return;
    }
    model.check();
    if (HasFatalFailure()) FAIL() << "in round " << round;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Everywhere, StoreModelTest,
    testing::Combine(testing::Values(LogPlace::kBlock, LogPlace::kEmulatedInMemory),
                     testing::Values(Order{"Bytewise", &Comparator::bytewise},
                                     Order{"Reverse", &Comparator::reverse_bytewise},
                                     Order{"ByLength", &by_length})),
    [](const testing::TestParamInfo<Where>& where) {
      return place_name({std::get<0>(where.param), where.index}) + std::get<1>(where.param).name;
    });

/// Writes of a key on several lanes, that are replayed side by side each time the store is opened.
TEST(StoreModelReplayTest, ReadsAsAMapDoesWhicheverLaneAWriteIsOn) {
  StoreModel model({.seed = seed(), .writers = 4});
  for (int round = 0; round < 100; ++round) {
    for (int i = 0; i < kStepsBetweenChecks; ++i) {
      model.write();
      if (testing::Test::HasFatalFailure()) return;
    }
    if (round % 2 == 0) model.step();
    model.reopen();
    if (testing::Test::HasFatalFailure()) return;
    model.check();
    if (testing::Test::HasFatalFailure()) FAIL() << "in round " << round;
  }
}

}  // namespace
}  // namespace nacre::test
