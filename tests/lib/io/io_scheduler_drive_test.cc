// What drives a scheduler, in steps that the test decides.

#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "lib/io/io_scheduler.h"
#include "tests/lib/io/fake_io_backend.h"
#include "tests/support/result_matchers.h"

namespace nacre {
namespace {

using test::FakeIoBackend;
using test::has_code;
using test::NoFile;

constexpr std::size_t kBlock = 4096;

/// A scheduler over a backend that does as it is told, driven by the test alone.
class IoSchedulerModelTest : public testing::Test {
 protected:
  void make(std::size_t depth, IoQueueOptions options = {}) {
    auto backend = std::make_unique<FakeIoBackend>(depth, clock_);
    backend_ = backend.get();
    scheduler_ = std::make_unique<IoScheduler>(
        std::move(backend), clock_,
        IoScheduler::Options{.own_thread = false, .queue = options, .start_thread = {}});
    io_file_ = std::make_unique<IoFile>(*backend_, file_);
  }
  IoRequest write(std::uint64_t offset, std::uint64_t timeout_ns = 0) {
    IoRequest request;
    request.kind = IoKind::kWrite;
    request.io_class = IoClass::kLog;
    request.file = io_file_.get();
    request.offset = offset;
    request.timeout_ns = timeout_ns;
    request.buffers.push_back(IoBuffer::borrow(memory_));
    return request;
  }
  IoCallback keep(IoCompletion& into) {
    return [&into](IoCompletion completion) { into = std::move(completion); };
  }

  ManualClock clock_;
  NoFile file_;
  std::array<std::byte, kBlock> memory_{};
  FakeIoBackend* backend_ = nullptr;
  std::unique_ptr<IoScheduler> scheduler_;
  std::unique_ptr<IoFile> io_file_;
};

TEST_F(IoSchedulerModelTest, TheDriverWakesForATimeout) {
  make(1);
  IoCompletion in_flight;
  IoCompletion queued;
  scheduler_->submit(write(0, 3'000'000), keep(in_flight));
  scheduler_->submit(write(2 * kBlock, 2'000'000), keep(queued));
  scheduler_->drive_until_idle();
  EXPECT_THAT(in_flight.status, has_code(ErrorCode::kTimedOut));
  EXPECT_THAT(queued.status, has_code(ErrorCode::kTimedOut));
  EXPECT_EQ(queued.buffers.size(), 1U);
  EXPECT_EQ(clock_.monotonic_ns(), 1U + 3'000'000);
  EXPECT_EQ(backend_->begun, 1U);
}

TEST_F(IoSchedulerModelTest, WhatTheBackendCannotCallBackEndsAsItEnds) {
  make(1);
  backend_->refuse_cancels = true;
  backend_->on_wait = [&](std::uint64_t until_ns) {
    if (until_ns == IoBackend::kForever) return backend_->end_all();
    clock_.advance_ns(until_ns - clock_.monotonic_ns());
  };
  IoCompletion late;
  scheduler_->submit(write(0, 1'000'000), keep(late));
  scheduler_->drive_until_idle();
  EXPECT_OK(late.status);
  EXPECT_EQ(backend_->cancels, 1U);
}

TEST_F(IoSchedulerModelTest, WhatFailsBeforehandIsToldByTheThreadThatDrives) {
  make(1);
  bool inside = false;
  bool told = false;
  backend_->on_wait = [&](std::uint64_t) {
    inside = true;
    scheduler_->fail(write(kBlock), Error(ErrorCode::kIo, "no more"), [&](IoCompletion completion) {
      EXPECT_FALSE(inside) << "the callback runs inside the call";
      EXPECT_THAT(completion.status, has_code(ErrorCode::kIo));
      EXPECT_EQ(completion.buffers.size(), 1U);
      told = true;
    });
    inside = false;
  };
  EXPECT_TRUE(scheduler_->drive([&] { return told; }));
  EXPECT_EQ(backend_->begun, 0U);
}

TEST_F(IoSchedulerModelTest, TheBoundMakesSubmittersWaitAndCallbacksPass) {
  IoQueueOptions options;
  options.max_queued.fill(1);
  make(1, options);
  backend_->on_wait = [&](std::uint64_t) { backend_->end_all(); };
  int ended = 0;
  scheduler_->submit(write(0), [&](IoCompletion) {
    for (std::uint64_t i = 1; i <= 3; ++i) {
      scheduler_->submit(write(10 * i * kBlock), [&](IoCompletion) { ++ended; });
    }
    ++ended;
  });
  scheduler_->submit(write(2 * kBlock), [&](IoCompletion) { ++ended; });
  EXPECT_EQ(ended, 0);
  IoRequest refused = write(4 * kBlock);
  IoCallback done = [&](IoCompletion) { ++ended; };
  EXPECT_THAT(scheduler_->try_submit(refused, done), has_code(ErrorCode::kBusy));
  EXPECT_EQ(refused.buffers.size(), 1U);
  scheduler_->submit(write(6 * kBlock), [&](IoCompletion) { ++ended; });
  EXPECT_GE(ended, 1);  // It has driven until there was room.
  scheduler_->drive_until_idle();
  EXPECT_EQ(ended, 6);
  EXPECT_OK(scheduler_->try_submit(refused, done));
  scheduler_->close();
  EXPECT_EQ(ended, 7);
  refused = write(0);
  done = [&](IoCompletion) { ++ended; };
  EXPECT_THAT(scheduler_->try_submit(refused, done), has_code(ErrorCode::kClosed));
  scheduler_->submit(write(0), [&](IoCompletion completion) {
    EXPECT_THAT(completion.status, has_code(ErrorCode::kClosed));
    EXPECT_EQ(completion.buffers.size(), 1U);
    ++ended;
  });
  EXPECT_EQ(ended, 8);
}

TEST_F(IoSchedulerModelTest, TheUndoOfAChainIsCarriedOutAfterClose) {
  make(4);
  std::vector<IoRequest> steps(2);
  steps[0].kind = IoKind::kRename;
  steps[0].path = "a";
  steps[0].target = "b";
  steps[1].kind = IoKind::kSyncDirectory;
  steps[1].path = ".";
  IoRequest undo;
  undo.kind = IoKind::kRemove;
  undo.path = "a";
  std::vector<std::string> begun;
  backend_->on_submit = [&](const IoOperation& operation) {
    begun.emplace_back(io_kind_name(operation.request.kind));
  };
  backend_->on_wait = [&](std::uint64_t) {
    while (!backend_->in_flight.empty()) {
      backend_->end(*backend_->in_flight.front(), Error(ErrorCode::kIo, "struck"));
    }
  };
  IoCompletion ended;
  scheduler_->submit_chain(std::move(steps), &undo, keep(ended));
  scheduler_->close();
  EXPECT_THAT(ended.status, has_code(ErrorCode::kIo));
  EXPECT_EQ(begun, (std::vector<std::string>{"rename", "remove"}));
}

TEST_F(IoSchedulerModelTest, CountsWhatItDoes) {
  make(1);
  backend_->on_wait = [&](std::uint64_t) {
    clock_.advance_ns(1'000'000);
    backend_->end_all();
  };
  IoCompletion first;
  IoCompletion second;
  scheduler_->submit(write(0), keep(first));
  scheduler_->submit(write(2 * kBlock), keep(second));
  PrometheusWriter before;
  scheduler_->write_io_metrics(before);
  EXPECT_NE(before.text().find("nacre_io_engine_info{engine=\"fake\"} 1\n"), std::string::npos);
  EXPECT_NE(before.text().find("nacre_io_queued{class=\"log\"} 1\n"), std::string::npos);
  EXPECT_NE(before.text().find("nacre_io_in_flight{class=\"log\"} 1\n"), std::string::npos);
  scheduler_->drive_until_idle();
  PrometheusWriter after;
  scheduler_->write_io_metrics(after);
  const std::string& text = after.text();
  EXPECT_NE(text.find("nacre_io_requests_total{class=\"log\"} 2\n"), std::string::npos);
  EXPECT_NE(text.find("nacre_io_bytes_total{class=\"log\"} 8192\n"), std::string::npos);
  EXPECT_NE(text.find("nacre_io_queued{class=\"log\"} 0\n"), std::string::npos);
  EXPECT_NE(text.find("nacre_io_errors_total{class=\"log\"} 0\n"), std::string::npos);
  EXPECT_NE(text.find("nacre_io_latency_seconds_count{class=\"log\"} 2\n"), std::string::npos);
  EXPECT_NE(text.find("nacre_io_queue_wait_seconds_sum{class=\"log\"} 0.001"), std::string::npos);
}

/// Gives back the first operation when it has the second too, and then the second.
class PairBackend final : public IoBackend {
 public:
  void submit(std::span<IoOperation* const> operations, bool) override {
    const MutexLock lock(mutex_);
    operations_.insert(operations_.end(), operations.begin(), operations.end());
    begun_ += operations.size();
    changed_.notify_all();
  }
  std::size_t reap(std::span<IoOperation*> ended, std::uint64_t) override {
    const MutexLock lock(mutex_);
    while (begun_ < 2) changed_.wait(mutex_);
    if (operations_.empty()) return 0;
    ended[0] = operations_.front();
    operations_.erase(operations_.begin());
    return 1;
  }
  void wake() noexcept override {}
  void cancel(IoOperation&) override {}
  std::size_t depth() const noexcept override { return 8; }
  const IoBackendInfo& info() const noexcept override { return info_; }

 private:
  IoBackendInfo info_;
  Mutex mutex_;
  CondVar changed_;
  std::vector<IoOperation*> operations_;
  std::size_t begun_ = 0;
};

TEST(IoSchedulerRole, GoesToAThreadThatSleepsWhenTheDriverHasWhatItWaitedFor) {
  // The second of two threads sleeps while the first drives; nobody but the first can wake it, and
  // there is no thread of the scheduler's own.
  SystemClock clock;
  for (int round = 0; round < 100; ++round) {
    IoScheduler scheduler(
        std::make_unique<PairBackend>(), clock,
        IoScheduler::Options{.own_thread = false, .queue = {}, .start_thread = {}});
    const auto sync = [&] {
      IoRequest request;
      request.kind = IoKind::kSyncDirectory;
      request.path = ".";
      EXPECT_OK(scheduler.run(std::move(request)).status);
    };
    std::thread other(sync);
    sync();
    other.join();
  }
}

}  // namespace
}  // namespace nacre
