// Group commit, with every step of the device and of the threads in it in the test's hand.

#include <gtest/gtest.h>

#include <cstddef>
#include <memory>
#include <semaphore>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "mmap/segment_pool.h"
#include "nacre/executor.h"
#include "pmem/block_region.h"
#include "tests/support/result_matchers.h"
#include "tests/support/temp_directory.h"
#include "tests/wal/gated_domain.h"
#include "tests/wal/held_backend.h"
#include "wal/lane_core.h"

namespace nacre::wal {
namespace {

using test::Gate;
using test::GatedDomain;
using test::has_code;
using test::HeldBackend;

/// Large enough for a batch to leave beside another one.
constexpr std::size_t kLargeBytes = 40'000;

class LaneCommit : public testing::Test {
 protected:
  static constexpr std::size_t kThreads = 4;
  static constexpr std::uint64_t kSegmentBytes = std::uint64_t{1} << 20;

  Lsn enqueue(std::size_t bytes) {
    const std::string payload(bytes, 'x');
    return lane_.enqueue({}, as_bytes(payload), 0).value();
  }

  /// With the device's answer.
  Lsn append(std::size_t bytes) {
    const Lsn lsn = enqueue(bytes);
    std::thread device([&] {
      backend_.await_count(1);
      backend_.end(0);
    });
    EXPECT_OK(lane_.wait(lsn));
    device.join();
    return lsn;
  }

  test::TempDirectory directory_;
  PosixFileSystem files_;
  SystemClock clock_;
  LogMetrics metrics_;
  HeldBackend backend_{/*holds=*/true};
  Gate gate_;
  // Outlive the executor, whose threads may still be inside them when a test ends.
  std::counting_semaphore<kThreads> executor_is_free_{0};
  std::binary_semaphore returned_{0};
  std::binary_semaphore called_{0};
  GatedDomain domain_{pmem::make_block_domain({.kind = DomainKind::kBlock,
                                               .survives_power_loss = true,
                                               .granularity_bytes = 4096,
                                               .reason = {},
                                               .copy_routine = {}},
                                              files_, {.backend = &backend_})
                          .value(),
                      gate_};
  std::unique_ptr<ThreadPool> executor_ = ThreadPool::create(kThreads).value();
  SegmentPool pool_{
      files_,
      &domain_,
      *executor_,
      {.directory = directory_.path(), .log_uuid = {}, .segment_bytes = kSegmentBytes}};
  LaneCore lane_{pool_,
                 *executor_,
                 {.lane = 0,
                  .synchronous = false,
                  .survives_power_loss = true,
                  .commit_granule = 4096,
                  .segment_bytes = kSegmentBytes,
                  .domain = &domain_,
                  .clock = &clock_,
                  .metrics = &metrics_,
                  .on_started = {}},
                 {}};
};

// Whoever waits for a record of the batch before also sends the next one, when it is large enough.
// While it did so, its own record became durable and the thread that drove went away; it returned
// without a look at the queue, and what it had sent stayed there for as long as nobody came by.
TEST_F(LaneCommit, WhatAWaiterSendsForOthersIsNotLeftBehind) {
  const Lsn first = enqueue(100);
  std::thread driver([&] { EXPECT_OK(lane_.wait(first)); });
  backend_.await_count(1);
  const Lsn second = enqueue(kLargeBytes);
  gate_.shut();
  std::thread sender([&] { EXPECT_OK(lane_.wait(first)); });
  gate_.await_held();
  backend_.end(0);
  driver.join();
  gate_.open();
  sender.join();

  backend_.await_count(1);
  backend_.end(0);
  EXPECT_OK(lane_.wait(second));
  EXPECT_OK(lane_.close());
}

// A region that has failed refuses the next batch before it begins. It said so inside the call, on
// the thread that sent the batch; the one that waited for it in the device's queue, with nothing
// left there, was not woken.
TEST_F(LaneCommit, ABatchRefusedAtOnceIsToldToWhoDrives) {
  const Lsn first = enqueue(100);
  lane_.drive_pending();
  backend_.await_count(1);
  backend_.await_sleeper();
  const Lsn second = enqueue(kLargeBytes);
  gate_.shut();
  std::thread sender([&] { EXPECT_THAT(lane_.wait(second), has_code(ErrorCode::kIo)); });
  gate_.await_held();
  backend_.fail(0, Error(ErrorCode::kIo, "the device fails"), /*reaches_file=*/false);
  // The background goes on to wait for the second batch.
  EXPECT_THAT(lane_.wait(first), has_code(ErrorCode::kIo));
  backend_.await_sleeper();
  gate_.open();
  sender.join();
  EXPECT_THAT(lane_.close(), has_code(ErrorCode::kIo));
}

// Callbacks that became due while a waiter ran others kept it, for as long as they went on coming.
TEST_F(LaneCommit, AWaiterRunsTheCallbacksItFindsAndNoLater) {
  const Lsn first = enqueue(100);
  std::thread driver([&] { EXPECT_OK(lane_.wait(first)); });
  backend_.await_count(1);
  const Lsn second = enqueue(kLargeBytes);
  lane_.drive_pending();
  backend_.await_count(2);
  // Nobody else may run them yet.
  for (std::size_t i = 0; i < kThreads; ++i) {
    executor_->submit([this] { executor_is_free_.acquire(); });
  }
  lane_.on_durable(first, [&](const Status& status) {
    EXPECT_OK(status);
    backend_.end(0);
    while (lane_.durable_lsn() < second) std::this_thread::yield();
  });
  lane_.on_durable(second, [&](const Status& status) {
    EXPECT_OK(status);
    returned_.acquire();
    called_.release();
  });
  backend_.end(0);
  driver.join();
  returned_.release();
  executor_is_free_.release(kThreads);
  called_.acquire();
  EXPECT_OK(lane_.close());
}

// One for a record that was durable already was called at once, beside that of the record before,
// which another thread was at. A program that counted what had ended, as the last callback told it,
// then waited for ever for one that had come too early.
TEST_F(LaneCommit, CallbacksKeepTheOrderOfTheLogAlsoForWhatIsDurableAlready) {
  const Lsn first = enqueue(100);
  std::vector<int> called;  // By one callback at a time.
  std::binary_semaphore first_is_called{0};
  std::binary_semaphore go_on{0};
  lane_.on_durable(first, [&](const Status& status) {
    EXPECT_OK(status);
    first_is_called.release();
    go_on.acquire();
    called.push_back(1);
  });
  backend_.await_count(1);
  backend_.end(0);
  first_is_called.acquire();
  lane_.on_durable(first, [&](const Status& status) {
    EXPECT_OK(status);
    called.push_back(2);
  });
  go_on.release();
  EXPECT_OK(lane_.close());
  EXPECT_EQ(called, (std::vector{1, 2}));
}

// For the thread sanitizer: `close` looked at the header while a truncation wrote it.
TEST_F(LaneCommit, ClosesBesideATruncation) {
  append(kSegmentBytes / 2);
  const Lsn last = append(kSegmentBytes / 2);
  ASSERT_EQ(lane_.segments().count(), 2U);
  gate_.shut();
  std::thread truncating([&] { EXPECT_OK(lane_.truncate(last)); });
  gate_.await_held();
  std::thread closing([&] { EXPECT_OK(lane_.close()); });
  gate_.open();
  truncating.join();
  closing.join();
  EXPECT_EQ(lane_.first_lsn(), last);
}

}  // namespace
}  // namespace nacre::wal
