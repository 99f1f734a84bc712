#include "lib/base/assert.h"

#include <gtest/gtest.h>

namespace nacre {
namespace {

TEST(Assert, PassesWhatHolds) {
  int evaluations = 0;
  NACRE_ASSERT(++evaluations == 1);
  EXPECT_EQ(evaluations, 1);
}

TEST(AssertDeathTest, NamesTheConditionAndThePlace) {
  const int length = 3;
  EXPECT_DEATH(NACRE_ASSERT(length == 4), "assertion failed: length == 4 .*assert_test.cc:");
}

}  // namespace
}  // namespace nacre
