#include "lib/io/io_scheduler.h"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "lib/io/posix_backend.h"
#include "tests/lib/io/io_scheduler_fixture.h"
#include "tests/support/aligned_bytes.h"
#include "tests/support/result_matchers.h"

namespace nacre {
namespace {

using test::AlignedBytes;
using test::has_code;

constexpr std::size_t kBlock = 4096;

using IoSchedulerTest = test::IoSchedulerFixture;

TEST_F(IoSchedulerTest, RunsARequestAndGivesItsBufferBack) {
  const AlignedBytes source(kBlock, 1);
  const IoCompletion written = scheduler_.run(transfer(IoKind::kWrite, 0, source.span()));
  ASSERT_OK(written.status);
  EXPECT_EQ(written.bytes, kBlock);
  ASSERT_EQ(written.buffers.size(), 1U);
  EXPECT_EQ(written.buffers.front().data(), source.span().data());
  const AlignedBytes into(kBlock);
  ASSERT_OK(scheduler_.run(transfer(IoKind::kRead, 0, into.span())).status);
  EXPECT_EQ(into.text(), source.text());
}

TEST_F(IoSchedulerTest, CallsBackForThoseWhoDoNotWait) {
  const AlignedBytes source(kBlock, 1);
  std::atomic<int> ended{0};
  constexpr int kRequests = 100;
  for (int i = 0; i < kRequests; ++i) {
    scheduler_.submit(transfer(IoKind::kWrite, std::uint64_t(i) * kBlock, source.span()),
                      [&](IoCompletion completion) {
                        EXPECT_OK(completion.status);
                        ended.fetch_add(1);
                        ended.notify_all();
                      });
  }
  for (int seen = ended.load(); seen < kRequests; seen = ended.load()) ended.wait(seen);
  scheduler_.close();  // The last callback may not have returned.
}

TEST_F(IoSchedulerTest, ACallbackMaySubmit) {
  const AlignedBytes source(kBlock, 1);
  std::atomic<int> left{50};
  std::function<void(IoCompletion)> again = [&](IoCompletion completion) {
    EXPECT_OK(completion.status);
    if (left.fetch_sub(1) == 1) return left.notify_all();
    scheduler_.submit(transfer(IoKind::kWrite, 0, source.span()),
                      [&](IoCompletion next) { again(std::move(next)); });
  };
  scheduler_.submit(transfer(IoKind::kWrite, 0, source.span()),
                    [&](IoCompletion next) { again(std::move(next)); });
  for (int seen = left.load(); seen > 0; seen = left.load()) left.wait(seen);
  scheduler_.close();
}

TEST_F(IoSchedulerTest, ManyThreadsWaitForTheirOwn) {
  std::vector<std::thread> threads;
  for (std::uint64_t number = 0; number < 4; ++number) {
    threads.emplace_back([&, number] {
      const AlignedBytes source(kBlock, number + 1);
      const AlignedBytes into(kBlock);
      for (int i = 0; i < 50; ++i) {
        ASSERT_OK(scheduler_.run(transfer(IoKind::kWrite, number * kBlock, source.span())).status);
        ASSERT_OK(scheduler_.run(transfer(IoKind::kRead, number * kBlock, into.span())).status);
        ASSERT_EQ(into.text(), source.text());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST_F(IoSchedulerTest, ClosingWaitsForWhatIsUnderWayAndRefusesMore) {
  const AlignedBytes source(kBlock, 1);
  std::atomic<int> ended{0};
  for (int i = 0; i < 20; ++i) {
    scheduler_.submit(transfer(IoKind::kWrite, std::uint64_t(i) * kBlock, source.span()),
                      [&](IoCompletion completion) {
                        EXPECT_OK(completion.status);
                        ended.fetch_add(1);
                      });
  }
  scheduler_.close();
  EXPECT_EQ(ended.load(), 20);
  EXPECT_THAT(scheduler_.run(transfer(IoKind::kRead, 0, source.span())).status,
              has_code(ErrorCode::kClosed));
}

TEST_F(IoSchedulerTest, AChainThatFailsIsUndone) {
  std::vector<IoRequest> steps(2);
  steps[0].kind = IoKind::kRename;
  steps[0].path = directory_.path() / "a";
  steps[0].target = directory_.path() / "b";
  steps[1].kind = IoKind::kRemove;
  steps[1].path = directory_.path() / "nothing";
  IoRequest undo;
  undo.kind = IoKind::kRemove;
  undo.path = directory_.path() / "b";
  std::atomic<bool> ended{false};
  Status outcome;
  scheduler_.submit_chain(std::move(steps), &undo, [&](IoCompletion completion) {
    outcome = completion.status;
    ended.store(true);
    ended.notify_all();
  });
  ended.wait(false);
  scheduler_.close();
  EXPECT_THAT(outcome, has_code(ErrorCode::kNotFound));
  EXPECT_FALSE(std::filesystem::exists(directory_.path() / "b"));
}

TEST_F(IoSchedulerTest, SubmittersThatRaceWithCloseAreAllCalledBack) {
  const AlignedBytes source(kBlock, 1);
  std::atomic<int> succeeded{0};
  std::atomic<int> refused{0};
  std::atomic<int> submitted{0};
  std::vector<std::thread> threads;
  for (std::uint64_t number = 0; number < 3; ++number) {
    threads.emplace_back([&, number] {
      for (std::uint64_t i = 0; i < 300; ++i) {
        submitted.fetch_add(1);
        scheduler_.submit(transfer(IoKind::kWrite, (3 * i + number) * kBlock, source.span()),
                          [&](IoCompletion completion) {
                            (completion.status ? succeeded : refused).fetch_add(1);
                          });
      }
      submitted.notify_all();
    });
  }
  while (succeeded.load() == 0) std::this_thread::yield();
  scheduler_.close();
  scheduler_.close();
  for (std::thread& thread : threads) thread.join();
  scheduler_.close();  // What was refused after the first has been told by now.
  EXPECT_EQ(succeeded.load() + refused.load(), submitted.load());
}

TEST_F(IoSchedulerTest, ThreadsBeyondTheBoundWaitForRoom) {
  IoScheduler::Options options;
  options.queue.max_queued.fill(2);
  IoScheduler scheduler(
      std::make_unique<PosixBackend>(files_, PosixBackend::Options{.depth = 2, .threads = 1}),
      clock_, options);
  IoFile io_file(scheduler.backend(), *file_);
  const AlignedBytes source(kBlock, 1);
  std::atomic<int> ended{0};
  std::vector<std::thread> threads;
  for (std::uint64_t number = 0; number < 4; ++number) {
    threads.emplace_back([&, number] {
      for (std::uint64_t i = 0; i < 100; ++i) {
        IoRequest request = transfer(IoKind::kWrite, 2 * (4 * i + number) * kBlock, source.span());
        request.file = &io_file;
        scheduler.submit(std::move(request), [&](IoCompletion completion) {
          EXPECT_OK(completion.status);
          ended.fetch_add(1);
        });
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  scheduler.close();
  EXPECT_EQ(ended.load(), 400);
}

TEST_F(IoSchedulerTest, RoomIsToldWhileTheDriverNeverRests) {
  IoScheduler::Options options;
  options.queue.max_queued.fill(1);
  IoScheduler scheduler(
      std::make_unique<PosixBackend>(files_, PosixBackend::Options{.depth = 2, .threads = 1}),
      clock_, options);
  IoFile io_file(scheduler.backend(), *file_);
  const AlignedBytes source(kBlock, 1);
  const auto write = [&](IoClass io_class, std::uint64_t block) {
    IoRequest request = transfer(IoKind::kWrite, block * kBlock, source.span());
    request.io_class = io_class;
    request.file = &io_file;
    return request;
  };
  std::atomic<bool> stop{false};
  std::atomic<bool> driven{false};
  std::function<void()> again = [&] {
    scheduler.submit(write(IoClass::kLog, 0), [&](IoCompletion) {
      driven.store(true);
      driven.notify_all();
      if (!stop.load()) again();
    });
  };
  again();
  driven.wait(false);  // The scheduler's own thread drives from here on.
  for (std::uint64_t i = 1; i < 30; ++i) {
    scheduler.submit(write(IoClass::kFlush, 2 * i),
                     [](IoCompletion completion) { EXPECT_OK(completion.status); });
  }
  stop.store(true);
  scheduler.close();
}

TEST_F(IoSchedulerTest, WithoutAThreadOfItsOwnWhoeverSubmitsDrives) {
  std::array<std::atomic<std::uint64_t>, 4> ended{};
  IoScheduler::Options options;
  options.start_thread = [](std::function<void()>) -> std::thread {
    throw std::system_error(std::make_error_code(std::errc::resource_unavailable_try_again));
  };
  IoScheduler scheduler(
      std::make_unique<PosixBackend>(files_, PosixBackend::Options{.depth = 8, .threads = 2}),
      clock_, options);
  IoFile io_file(scheduler.backend(), *file_);
  std::vector<std::thread> threads;
  for (std::uint64_t number = 0; number < 4; ++number) {
    threads.emplace_back([&, number] {
      const AlignedBytes source(kBlock, 1);
      for (std::uint64_t i = 0; i < 50; ++i) {
        IoRequest request = transfer(IoKind::kWrite, number * kBlock, source.span());
        request.file = &io_file;
        scheduler.submit(std::move(request), [&ended, number](IoCompletion completion) {
          EXPECT_OK(completion.status);
          ended[number].fetch_add(1);
          ended[number].notify_all();
        });
        ended[number].wait(i);
        IoRequest again = transfer(IoKind::kRead, number * kBlock, source.span());
        again.file = &io_file;
        EXPECT_OK(scheduler.run(std::move(again)).status);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST_F(IoSchedulerTest, WithoutADriverOfItsOwnTheRoleGoesFromOneToTheNext) {
  IoScheduler scheduler(
      std::make_unique<PosixBackend>(files_, PosixBackend::Options{.depth = 8, .threads = 2}),
      clock_, IoScheduler::Options{.own_thread = false, .queue = {}, .start_thread = {}});
  IoFile io_file(scheduler.backend(), *file_);
  std::vector<std::thread> threads;
  for (std::uint64_t number = 0; number < 4; ++number) {
    threads.emplace_back([&, number] {
      const AlignedBytes source(kBlock, number + 1);
      for (std::uint64_t i = 0; i < 200; ++i) {
        IoRequest request = transfer(IoKind::kWrite, number * kBlock, source.span());
        request.file = &io_file;
        EXPECT_OK(scheduler.run(std::move(request)).status);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST_F(IoSchedulerTest, ThreadsThatSubmitAndCancelAreAllCalledBackOnce) {
  const AlignedBytes source(kBlock, 1);
  std::array<std::array<std::atomic<int>, 200>, 3> all_calls{};
  std::vector<std::thread> threads;
  for (std::uint64_t number = 0; number < 3; ++number) {
    threads.emplace_back([&, number] {
      auto& calls = all_calls[number];
      for (std::uint64_t i = 0; i < calls.size(); ++i) {
        const IoTicket ticket = scheduler_.submit(
            transfer(IoKind::kWrite, (number + 3 * (i % 7)) * kBlock, source.span()),
            [&calls, i](IoCompletion completion) {
              EXPECT_EQ(completion.buffers.size(), 1U);
              if (!completion.status) {
                EXPECT_THAT(completion.status, has_code(ErrorCode::kCancelled));
              }
              calls[i].fetch_add(1);
              calls[i].notify_all();
            });
        if (i % 2 == 0) scheduler_.cancel(ticket);
      }
      for (std::atomic<int>& count : calls) {
        count.wait(0);
        EXPECT_EQ(count.load(), 1);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  scheduler_.close();
}

}  // namespace
}  // namespace nacre
