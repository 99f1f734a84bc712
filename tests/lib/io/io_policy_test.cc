#include "lib/io/io_policy.h"

#include <gtest/gtest.h>

namespace nacre {
namespace {

IoShare share(IoClass io_class, std::size_t slots = 1) {
  return {.io_class = io_class, .slots = slots, .bytes = 0};
}

/// How many of a class fit beside what is in flight.
std::size_t fill(IoPolicy& policy, IoClass io_class) {
  std::size_t count = 0;
  for (; policy.has_room(share(io_class), 1); ++count) policy.begin(share(io_class), 1);
  return count;
}

TEST(IoPolicy, EachClassLeavesTheSharesAboveItFree) {
  IoPolicy policy(64, {});
  EXPECT_EQ(fill(policy, IoClass::kCompaction), 64U - 8 - 7);
  EXPECT_EQ(fill(policy, IoClass::kFlush), 0U);
  EXPECT_EQ(fill(policy, IoClass::kForegroundRead), 7U);
  EXPECT_EQ(fill(policy, IoClass::kLog), 8U);
  policy.end(share(IoClass::kForegroundRead));
  EXPECT_EQ(fill(policy, IoClass::kCompaction), 0U);
  EXPECT_EQ(fill(policy, IoClass::kForegroundRead), 1U);
}

TEST(IoPolicy, ABackendOfOneOperationServesEverybody) {
  for (std::size_t i = 0; i < kIoClasses; ++i) {
    IoPolicy policy(1, {});
    EXPECT_EQ(fill(policy, static_cast<IoClass>(i)), 1U);
  }
}

TEST(IoPolicy, AChainLongerThanItsShareGoesAlone) {
  IoPolicy policy(8, {});
  EXPECT_TRUE(policy.has_room(share(IoClass::kFlush, 8), 1));
  policy.begin(share(IoClass::kForegroundRead), 1);
  EXPECT_FALSE(policy.has_room(share(IoClass::kFlush, 7), 1));
}

TEST(IoPolicy, CreditIsOfAClass) {
  IoPolicyOptions options;
  options.flush.bytes_per_s = 1000;
  IoPolicy policy(8, options);
  policy.begin({.io_class = IoClass::kFlush, .slots = 1, .bytes = 1'000'000}, 1);
  EXPECT_FALSE(policy.has_credit(IoClass::kFlush, 2));
  EXPECT_GT(policy.opens_ns(), 2U);
  EXPECT_NE(policy.opens_ns(), IoBackend::kForever);
  EXPECT_TRUE(policy.has_credit(IoClass::kCompaction, 2));
  EXPECT_TRUE(policy.has_credit(IoClass::kLog, 2));
}

}  // namespace
}  // namespace nacre
