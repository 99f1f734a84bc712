#include "lib/io/buffer_pool.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "lib/io/posix_backend.h"
#include "nacre/random.h"
#include "tests/support/result_matchers.h"
#include "tests/support/seed.h"

namespace nacre {
namespace {

using test::has_code;
using testing::HasSubstr;

constexpr std::size_t kMiB = std::size_t{1} << 20;
constexpr std::size_t kLargest = BufferPool::kMaxBufferBytes;

std::unique_ptr<BufferPool> make_pool(std::size_t bytes, IoBackend* backend = nullptr) {
  return BufferPool::create(backend, {.bytes = bytes}).value();
}

TEST(BufferPool, RoundsUpToAPowerOfTwoAndAlignsToIt) {
  const auto pool = make_pool(8 * kMiB);
  for (const auto& [asked, capacity] : {std::pair<std::size_t, std::size_t>{1, 4096},
                                        {4096, 4096},
                                        {4097, 8192},
                                        {100'000, 128 * 1024},
                                        {kLargest - 1, kLargest},
                                        {kLargest, kLargest}}) {
    ASSERT_OK_AND_ASSIGN(const IoBuffer buffer, pool->try_take(asked));
    EXPECT_EQ(buffer.size(), asked);
    EXPECT_EQ(buffer.capacity(), capacity);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(buffer.data()) % capacity, 0U);
    EXPECT_EQ(pool->usage().bytes_in_use, capacity);
  }
  EXPECT_EQ(pool->usage().bytes_in_use, 0U);
}

TEST(BufferPool, SizesOutsideItsClassesAreInvalid) {
  const auto pool = make_pool(4 * kMiB);
  for (const std::size_t bytes : {std::size_t{0}, kLargest + 1}) {
    EXPECT_THAT(pool->take(bytes), has_code(ErrorCode::kInvalidArgument));
    EXPECT_THAT(pool->try_take(bytes), has_code(ErrorCode::kInvalidArgument));
  }
  for (const std::size_t bytes : {std::size_t{0}, (std::size_t{1} << 40) + 1}) {
    EXPECT_THAT(BufferPool::create(nullptr, {.bytes = bytes}),
                has_code(ErrorCode::kInvalidArgument));
  }
}

TEST(BufferPool, TheBoundIsRoundedUpAndHolds) {
  const auto pool = make_pool(2 * kMiB + 1);
  EXPECT_EQ(pool->usage().bound_bytes, 4 * kMiB);
  std::vector<IoBuffer> buffers;
  for (std::size_t i = 0; i < 4 * kMiB / 4096; ++i) {
    ASSERT_OK_AND_ASSIGN(IoBuffer buffer, pool->try_take(4096));
    std::ranges::fill(buffer.bytes(), static_cast<std::byte>(i));
    buffers.push_back(std::move(buffer));
  }
  EXPECT_THAT(pool->try_take(1), has_code(ErrorCode::kBusy));
  for (std::size_t i = 0; i < buffers.size(); ++i) {
    EXPECT_EQ(buffers[i].data()[4095], static_cast<std::byte>(i));
  }
  EXPECT_EQ(pool->usage().bytes_in_use, 4 * kMiB);
  EXPECT_EQ(pool->usage().refusals, 1U);
  buffers.pop_back();
  EXPECT_OK(pool->try_take(1));
}

/// Until `count` calls wait; each does before it counts.
void until_waiting(const BufferPool& pool, std::uint64_t count) {
  while (pool.usage().waits < count) std::this_thread::yield();
}

TEST(BufferPool, TakeWaitsUntilABufferComesBack) {
  const auto pool = make_pool(2 * kMiB);
  IoBuffer all = pool->take(2 * kMiB).value();
  std::atomic<bool> taken{false};
  std::thread waiter([&] {
    const auto buffer = pool->take(4096);
    EXPECT_OK(buffer);
    taken.store(true);
  });
  until_waiting(*pool, 1);
  EXPECT_FALSE(taken.load());
  all = IoBuffer();
  waiter.join();
  EXPECT_EQ(pool->usage().waits, 1U);
}

// Small buffers that come and go would otherwise keep a large one from ever becoming whole.
TEST(BufferPool, NobodyOvertakesThoseWhoWait) {
  const auto pool = make_pool(2 * kMiB);
  IoBuffer half = pool->take(kMiB).value();
  std::vector<int> order;
  std::thread large([&] {
    const auto buffer = pool->take(2 * kMiB);
    order.push_back(1);
  });
  until_waiting(*pool, 1);
  // There is room for this one, but it came later.
  EXPECT_THAT(pool->try_take(4096), has_code(ErrorCode::kBusy));
  std::thread small([&] {
    const auto buffer = pool->take(2 * kMiB);
    order.push_back(2);
  });
  until_waiting(*pool, 2);
  half = IoBuffer();
  large.join();
  small.join();
  EXPECT_EQ(order, (std::vector{1, 2}));
}

// What comes back at once may be enough for several; each must hear of it.
TEST(BufferPool, OneLargeBufferThatComesBackServesAllWhoWait) {
  const auto pool = make_pool(2 * kMiB);
  IoBuffer all = pool->take(2 * kMiB).value();
  std::vector<std::thread> threads;
  std::atomic<int> holding{0};
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      const auto buffer = pool->take(4096);
      EXPECT_OK(buffer);
      // Nobody lets go before all have one.
      holding.fetch_add(1);
      while (holding.load() < 4) std::this_thread::yield();
    });
  }
  until_waiting(*pool, 4);
  all = IoBuffer();
  for (std::thread& thread : threads) thread.join();
}

TEST(BufferPool, ThreadsNeverShareABuffer) {
  const auto pool = make_pool(4 * kMiB);
  std::vector<std::thread> threads;
  const std::uint64_t seed = test::seed();
  for (unsigned number = 1; number <= 4; ++number) {
    threads.emplace_back([&, number] {
      SeededRandom random(seed + number);
      for (int i = 0; i < 2000; ++i) {
        const std::size_t bytes = std::size_t{4096} << uniform_below(random, 9);
        auto buffer = uniform_below(random, 4) == 0 ? pool->try_take(bytes) : pool->take(bytes);
        if (!buffer) {
          ASSERT_THAT(buffer, has_code(ErrorCode::kBusy));
          continue;
        }
        const auto mark = static_cast<std::byte>(number);
        buffer->data()[0] = mark;
        buffer->data()[bytes - 1] = mark;
        std::this_thread::yield();
        ASSERT_EQ(buffer->data()[0], mark);
        ASSERT_EQ(buffer->data()[bytes - 1], mark);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(pool->usage().bytes_in_use, 0U);
  EXPECT_OK(pool->try_take(kLargest));
}

/// Registers memory up to a bound for all, in pieces up to another.
class RegisteringBackend final : public IoBackend {
 public:
  std::size_t most_bytes = ~std::size_t{0};
  std::size_t most_at_once = ~std::size_t{0};
  std::vector<std::span<std::byte>> attached;
  int detached = 0;

  int attach_memory(std::span<std::byte> memory) override {
    std::size_t sum = memory.size();
    for (const auto& earlier : attached) sum += earlier.size();
    if (memory.size() > most_at_once || sum > most_bytes) return -1;
    attached.push_back(memory);
    return static_cast<int>(attached.size()) - 1;
  }
  void detach_memory(int) noexcept override { ++detached; }

  void submit(std::span<IoOperation* const>, bool) override {}
  std::size_t reap(std::span<IoOperation*>, std::uint64_t) override { return 0; }
  void wake() noexcept override {}
  void cancel(IoOperation&) override {}
  std::size_t depth() const noexcept override { return 1; }
  const IoBackendInfo& info() const noexcept override { return info_; }

 private:
  IoBackendInfo info_;
};

/// Whether `buffer` lies in the registration that it names.
bool slot_is_right(const RegisteringBackend& backend, const IoBuffer& buffer) {
  const auto covers = [&](std::span<std::byte> memory) {
    return buffer.data() >= memory.data() &&
           buffer.data() + buffer.capacity() <= memory.data() + memory.size();
  };
  if (buffer.slot() < 0) return std::ranges::none_of(backend.attached, covers);
  return covers(backend.attached.at(static_cast<std::size_t>(buffer.slot())));
}

void expect_right_slots(BufferPool& pool, const RegisteringBackend& backend) {
  std::vector<IoBuffer> buffers;
  for (auto buffer = pool.try_take(kMiB); buffer; buffer = pool.try_take(kMiB)) {
    EXPECT_TRUE(slot_is_right(backend, *buffer));
    buffers.push_back(*std::move(buffer));
  }
  EXPECT_EQ(buffers.size(), pool.usage().bound_bytes / kMiB);
}

TEST(BufferPool, RegistersItsMemoryOnce) {
  RegisteringBackend backend;
  {
    const auto pool = make_pool(20 * kMiB, &backend);
    ASSERT_EQ(backend.attached.size(), 1U);
    EXPECT_EQ(pool->usage().registered_bytes, 20 * kMiB);
    expect_right_slots(*pool, backend);
    EXPECT_EQ(backend.attached.size(), 1U);
    EXPECT_EQ(backend.detached, 0);
  }
  EXPECT_EQ(backend.detached, 1);
}

// io_uring takes at most 1 GiB in one piece. Nothing touches the memory, so it costs nothing.
TEST(BufferPool, RegistersALargePoolInPieces) {
  RegisteringBackend backend;
  const auto pool = make_pool(2049 * kMiB, &backend);
  ASSERT_EQ(backend.attached.size(), 3U);
  for (const auto& piece : backend.attached) EXPECT_LE(piece.size(), 1024 * kMiB);
  EXPECT_EQ(pool->usage().registered_bytes, 2050 * kMiB);
  expect_right_slots(*pool, backend);
}

// As with too low a limit on locked memory: what fits is registered, and the rest works, too.
TEST(BufferPool, RegistersAsMuchAsTheBackendTakes) {
  RegisteringBackend backend;
  backend.most_at_once = 5 * kMiB;
  backend.most_bytes = 9 * kMiB;
  const auto pool = make_pool(20 * kMiB, &backend);
  EXPECT_EQ(pool->usage().registered_bytes, 8 * kMiB);
  expect_right_slots(*pool, backend);
}

TEST(BufferPool, WorksWithABackendThatRegistersNothing) {
  PosixFileSystem files;
  PosixBackend backend(files, {});
  const auto pool = make_pool(4 * kMiB, &backend);
  EXPECT_EQ(pool->usage().registered_bytes, 0U);
  EXPECT_EQ(pool->take(4096).value().slot(), -1);
}

TEST(BufferPool, SaysHowMuchIsInUse) {
  const auto pool = make_pool(4 * kMiB);
  const IoBuffer buffer = pool->take(5000).value();
  PrometheusWriter writer;
  pool->write_metrics(writer);
  EXPECT_THAT(writer.text(),
              HasSubstr("nacre_buffer_pool_bound_bytes{memory=\"default\"} 4194304"));
  EXPECT_THAT(writer.text(), HasSubstr("nacre_buffer_pool_used_bytes 8192\n"));
  EXPECT_THAT(writer.text(), HasSubstr("nacre_buffer_pool_waits_total 0\n"));
}

TEST(BufferPoolDeathTest, OutlivesItsBuffers) {
  EXPECT_DEATH(
      {
        auto pool = make_pool(2 * kMiB);
        const IoBuffer buffer = pool->take(4096).value();
        pool.reset();
      },
      "bytes_in_use == 0");
}

}  // namespace
}  // namespace nacre
