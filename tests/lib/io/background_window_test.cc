#include "lib/io/background_window.h"

#include <gtest/gtest.h>

#include <vector>

namespace nacre {
namespace {

constexpr std::uint64_t kIdleNs = 100'000;
constexpr std::uint64_t kStep = BackgroundWindow::kStepBytes;
constexpr std::uint64_t kSecondNs = 1'000'000'000;

class BackgroundWindowTest : public testing::Test {
 protected:
  void read(std::uint64_t latency_ns, Foreground kind = Foreground::kRead) {
    const auto sample = window_.begin(kind, now_ns_);
    now_ns_ += latency_ns;
    window_.end(sample, 4096, now_ns_);
  }
  void read_times(std::size_t times, std::uint64_t latency_ns) {
    for (std::size_t i = 0; i < times; ++i) read(latency_ns);
  }
  /// The idle latency is known afterwards.
  void measure_idle() { read_times(BackgroundWindow::kIdleSamples, kIdleNs); }

  BackgroundWindow window_;
  std::uint64_t now_ns_ = kSecondNs;
};

TEST_F(BackgroundWindowTest, IsWideOpenWhileNobodyReads) {
  EXPECT_EQ(window_.bytes(now_ns_), BackgroundWindow::kUnlimited);
  measure_idle();
  EXPECT_EQ(window_.bytes(now_ns_), kStep);
  EXPECT_EQ(window_.bytes(now_ns_ + BackgroundWindow::kStaysNs), BackgroundWindow::kUnlimited);
}

TEST_F(BackgroundWindowTest, PausesUntilTheIdleLatencyIsKnown) {
  read(kIdleNs);
  EXPECT_FALSE(window_.admits(kStep, now_ns_));
  EXPECT_EQ(window_.pause_ends_ns(), now_ns_ + BackgroundWindow::kMaxPauseNs);
  measure_idle();
  EXPECT_TRUE(window_.admits(kStep, now_ns_));
  EXPECT_EQ(window_.pause_ends_ns(), BackgroundWindow::kUnlimited);
}

TEST_F(BackgroundWindowTest, PausesNoLongerThanItsTime) {
  read(kIdleNs);
  EXPECT_FALSE(window_.admits(kStep, now_ns_));
  now_ns_ += BackgroundWindow::kMaxPauseNs;
  EXPECT_TRUE(window_.admits(kStep, now_ns_));
  now_ns_ += BackgroundWindow::kPauseAgainNs;
  EXPECT_FALSE(window_.admits(kStep, now_ns_));
}

TEST_F(BackgroundWindowTest, GrowsAStepAfterARunAndHalvesWhenReadsAreSlow) {
  measure_idle();
  window_.begin_background(kStep);
  read_times(3 * BackgroundWindow::kRun, 2 * kIdleNs);
  EXPECT_EQ(window_.bytes(now_ns_), 4 * kStep);
  read(3 * kIdleNs);
  EXPECT_EQ(window_.bytes(now_ns_), 4 * kStep);
  read(3 * kIdleNs);
  EXPECT_EQ(window_.bytes(now_ns_), 2 * kStep);
  read_times(20, 3 * kIdleNs);
  EXPECT_EQ(window_.bytes(now_ns_), kStep);
}

TEST_F(BackgroundWindowTest, OneSlowReadKeepsItFromGrowing) {
  measure_idle();
  window_.begin_background(kStep);
  read(3 * kIdleNs);
  read_times(BackgroundWindow::kRun - 1, kIdleNs);
  EXPECT_EQ(window_.bytes(now_ns_), kStep);
}

TEST_F(BackgroundWindowTest, WhatBeganBeforeAChangeDoesNotCountAgain) {
  measure_idle();
  window_.begin_background(kStep);
  read_times(7 * BackgroundWindow::kRun, kIdleNs);
  ASSERT_EQ(window_.bytes(now_ns_), 8 * kStep);
  std::vector<BackgroundWindow::Sample> reads;
  for (int i = 0; i < 8; ++i) reads.push_back(window_.begin(Foreground::kRead, now_ns_));
  now_ns_ += 5 * kIdleNs;
  for (const auto& sample : reads) window_.end(sample, 4096, now_ns_);
  EXPECT_EQ(window_.bytes(now_ns_), 4 * kStep);
}

TEST_F(BackgroundWindowTest, EachKindHasItsOwnIdleLatency) {
  measure_idle();
  for (std::size_t i = 0; i < BackgroundWindow::kIdleSamples; ++i) {
    read(10 * kIdleNs, Foreground::kLogWrite);
  }
  window_.begin_background(kStep);
  for (std::size_t i = 0; i < BackgroundWindow::kRun; ++i) {
    read(15 * kIdleNs, Foreground::kLogWrite);
  }
  EXPECT_EQ(window_.bytes(now_ns_), 2 * kStep);
}

TEST_F(BackgroundWindowTest, AdmitsOneAlwaysAndMoreByBytesAndNumber) {
  measure_idle();
  EXPECT_TRUE(window_.admits(100 * kStep, now_ns_));
  window_.begin_background(100 * kStep);
  EXPECT_FALSE(window_.admits(1, now_ns_));
  window_.end_background(100 * kStep);
  window_.begin_background(1);
  read_times(BackgroundWindow::kRun, kIdleNs);
  EXPECT_TRUE(window_.admits(1, now_ns_));
  EXPECT_FALSE(window_.admits(2 * kStep, now_ns_));
  window_.begin_background(1);
  EXPECT_FALSE(window_.admits(1, now_ns_));
}

}  // namespace
}  // namespace nacre
