#include "nacre/io_buffer_group.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "lib/io/buffer_pool.h"
#include "tests/lib/io/io_scheduler_fixture.h"
#include "tests/support/aligned_bytes.h"
#include "tests/support/result_matchers.h"

namespace nacre {
namespace {

using test::AlignedBytes;

constexpr std::size_t kBlock = 4096;

std::vector<IoBuffer> cut(const AlignedBytes& memory, std::size_t buffer_bytes) {
  std::vector<IoBuffer> buffers;
  for (std::size_t at = 0; at < memory.span().size(); at += buffer_bytes) {
    buffers.push_back(IoBuffer::borrow(memory.span().subspan(at, buffer_bytes)));
  }
  return buffers;
}

class IoBufferGroupTest : public test::IoSchedulerFixture {
 protected:
  IoRequest read(IoBufferGroup& group, std::uint64_t offset, std::size_t bytes) {
    IoRequest request = transfer(IoKind::kRead, offset, {});
    request.io_class = IoClass::kForegroundRead;
    request.buffers.clear();
    request.bytes = bytes;
    request.group = &group;
    return request;
  }
};

// What the group is for: four hundred reads wait, and sixteen buffers are all they take.
TEST_F(IoBufferGroupTest, ReadsThatWaitHoldNoBuffer) {
  const AlignedBytes source(64 * kBlock, 1);
  ASSERT_OK(scheduler_.run(transfer(IoKind::kWrite, 0, source.span())).status);
  const AlignedBytes memory(2 * scheduler_.backend().depth() * kBlock);
  IoBufferGroup group(scheduler_.backend(), cut(memory, kBlock));
  constexpr int kReads = 400;
  std::atomic<int> ended{0};
  for (int i = 0; i < kReads; ++i) {
    const std::size_t offset = static_cast<std::size_t>(i) % 64 * kBlock;
    IoRequest request = read(group, offset, kBlock);
    if (i % 2 == 0) request.io_class = IoClass::kCompaction;
    scheduler_.submit(std::move(request), [&, offset](IoCompletion completion) {
      EXPECT_OK(completion.status);
      EXPECT_EQ(completion.bytes, kBlock);
      if (completion.status) {
        EXPECT_TRUE(std::ranges::equal(completion.buffers.front().bytes(),
                                       source.span().subspan(offset, kBlock)));
      }
      completion.buffers.clear();
      ended.fetch_add(1);
      ended.notify_all();
    });
  }
  for (int seen = ended.load(); seen < kReads; seen = ended.load()) ended.wait(seen);
  scheduler_.close();  // The last callback may not have returned.
  EXPECT_EQ(group.lent(), 0U);
}

// The queue sends a large background transfer out in pieces, and a piece has to have memory.
TEST_F(IoBufferGroupTest, ALargeBackgroundReadStaysWhole) {
  constexpr std::size_t kLarge = std::size_t{2} << 20;
  const AlignedBytes source(kLarge, 1);
  ASSERT_OK(scheduler_.run(transfer(IoKind::kWrite, 0, source.span())).status);
  const AlignedBytes memory(kLarge);
  IoBufferGroup group(scheduler_.backend(), cut(memory, kLarge));
  for (int round = 0; round < 3; ++round) {
    IoRequest request = read(group, 0, kLarge);
    request.io_class = IoClass::kCompaction;
    const IoCompletion got = scheduler_.run(std::move(request));
    ASSERT_OK(got.status);
    EXPECT_EQ(got.bytes, kLarge);
    ASSERT_EQ(got.buffers.size(), 1U);
    EXPECT_TRUE(memory.text() == source.text());
  }
}

TEST_F(IoBufferGroupTest, BuffersOfThePoolMakeAGroup) {
  const AlignedBytes source(8 * kBlock, 1);
  ASSERT_OK(scheduler_.run(transfer(IoKind::kWrite, 0, source.span())).status);
  auto pool = BufferPool::create(&scheduler_.backend(), {.bytes = BufferPool::kMaxBufferBytes});
  ASSERT_OK(pool);
  {
    std::vector<IoBuffer> buffers;
    for (int i = 0; i < 3; ++i) buffers.push_back((*pool)->take(2 * kBlock).value());
    IoBufferGroup group(scheduler_.backend(), std::move(buffers));
    const IoCompletion got = scheduler_.run(read(group, kBlock, 2 * kBlock));
    ASSERT_OK(got.status);
    EXPECT_TRUE(
        std::ranges::equal(got.buffers.front().bytes(), source.span().subspan(kBlock, 2 * kBlock)));
    EXPECT_EQ((*pool)->usage().bytes_in_use, 6 * kBlock);
  }
  EXPECT_EQ((*pool)->usage().bytes_in_use, 0U);
}

TEST_F(IoBufferGroupTest, MistakesOfTheProgrammerAssert) {
  const AlignedBytes memory(4 * kBlock);
  IoBackend& backend = scheduler_.backend();
  EXPECT_DEATH(IoBufferGroup(backend, {}), "sound");
  EXPECT_DEATH(IoBufferGroup(backend, cut(memory, kBlock / 2)), "sound");
  std::vector<IoBuffer> unequal = cut(memory, kBlock);
  unequal.push_back(IoBuffer::borrow(memory.span()));
  EXPECT_DEATH(IoBufferGroup(backend, std::move(unequal)), "sound");
  std::vector<IoBuffer> too_long;
  too_long.push_back(
      IoBuffer::borrow({memory.span().data(), IoBufferGroup::kMaxBufferBytes + kBlock}));
  EXPECT_DEATH(IoBufferGroup(backend, std::move(too_long)), "sound");
  const auto outlived = [&] {
    std::optional<IoBuffer> lent;
    IoBufferGroup group(backend, cut(memory, kBlock));
    lent = group.try_lend();
  };
  EXPECT_DEATH(outlived(), "lent");
}

}  // namespace
}  // namespace nacre
