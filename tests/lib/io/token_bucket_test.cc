#include "lib/io/token_bucket.h"

#include <gtest/gtest.h>

namespace nacre {
namespace {

constexpr std::uint64_t kSecondNs = 1'000'000'000;

TEST(TokenBucket, WithoutARateIsAlwaysOpen) {
  TokenBucket bucket(0);
  bucket.take(1'000'000'000, 0);
  EXPECT_TRUE(bucket.is_open(0));
}

TEST(TokenBucket, KeepsToItsRateInTheLongRun) {
  TokenBucket bucket(1000);
  std::uint64_t taken = 0;
  for (std::uint64_t now_ns = kSecondNs; now_ns < 11 * kSecondNs; now_ns += 10'000) {
    if (!bucket.is_open(now_ns)) continue;
    bucket.take(7, now_ns);
    taken += 7;
  }
  EXPECT_NEAR(double(taken), 10'000, 60);
}

TEST(TokenBucket, KeepsAtMostItsBurst) {
  TokenBucket bucket(1000);
  const std::uint64_t now_ns = 100 * kSecondNs;
  std::uint64_t taken = 0;
  for (; bucket.is_open(now_ns); ++taken) bucket.take(1, now_ns);
  EXPECT_EQ(taken, 50U);
}

TEST(TokenBucket, ALargeRequestBeginsAndIsPaidBack) {
  TokenBucket bucket(1000);
  const std::uint64_t now_ns = kSecondNs;
  ASSERT_TRUE(bucket.is_open(now_ns));
  bucket.take(10'000, now_ns);
  EXPECT_FALSE(bucket.is_open(now_ns + 9 * kSecondNs));
  EXPECT_TRUE(bucket.is_open(bucket.opens_ns()));
  EXPECT_FALSE(bucket.is_open(bucket.opens_ns() - 1));
  EXPECT_LE(bucket.opens_ns(), now_ns + 10 * kSecondNs);
}

}  // namespace
}  // namespace nacre
