#include "lib/io/io_batch.h"

#include <gtest/gtest.h>

#include <memory>
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

using IoBatchTest = test::IoSchedulerFixture;

TEST_F(IoBatchTest, EndsInTheOrderItWasAdded) {
  constexpr std::size_t kRequests = 40;
  const AlignedBytes source(kRequests * kBlock, 1);
  const AlignedBytes into(kRequests * kBlock);
  IoBatch batch(scheduler_);
  for (std::size_t i = 0; i < kRequests; ++i) {
    const auto part = source.span().subspan(i * kBlock, kBlock);
    EXPECT_EQ(batch.add(transfer(IoKind::kWrite, i * kBlock, part)), i);
  }
  for (const IoCompletion& completion : batch.wait()) EXPECT_OK(completion.status);
  EXPECT_EQ(batch.size(), 0U);
  for (std::size_t i = 0; i < kRequests; ++i) {
    batch.add(transfer(IoKind::kRead, i * kBlock, into.span().subspan(i * kBlock, kBlock)));
  }
  const std::vector<IoCompletion> completions = batch.wait();
  ASSERT_EQ(completions.size(), kRequests);
  for (std::size_t i = 0; i < kRequests; ++i) {
    EXPECT_OK(completions[i].status);
    EXPECT_EQ(completions[i].buffers.at(0).data(), into.span().data() + i * kBlock);
  }
  EXPECT_EQ(into.text(), source.text());
}

TEST_F(IoBatchTest, CancelsWhatHasNotBegun) {
  const AlignedBytes source(kBlock, 1);
  // Nobody else drives, so nothing begins before `wait`.
  IoScheduler scheduler(std::make_unique<PosixBackend>(files_, PosixBackend::Options{}), clock_,
                        IoScheduler::Options{.own_thread = false, .queue = {}, .start_thread = {}});
  IoBatch batch(scheduler);
  for (std::uint64_t i = 0; i < 5; ++i)
    batch.add(transfer(IoKind::kWrite, i * kBlock, source.span()));
  batch.cancel();
  for (const IoCompletion& completion : batch.wait()) {
    EXPECT_THAT(completion.status, has_code(ErrorCode::kCancelled));
  }
}

TEST_F(IoBatchTest, TellsThatTheSchedulerIsClosed) {
  const AlignedBytes source(kBlock, 1);
  scheduler_.close();
  IoBatch batch(scheduler_);
  batch.add(transfer(IoKind::kWrite, 0, source.span()));
  EXPECT_THAT(batch.wait().at(0).status, has_code(ErrorCode::kClosed));
}

TEST_F(IoBatchTest, WaitsWhenItGoes) {
  const AlignedBytes source(kBlock, 1);
  const AlignedBytes into(kBlock);
  {
    IoBatch batch(scheduler_);
    batch.add(transfer(IoKind::kWrite, 0, source.span()));
  }
  EXPECT_OK(scheduler_.run(transfer(IoKind::kRead, 0, into.span())).status);
  EXPECT_EQ(into.text(), source.text());
}

}  // namespace
}  // namespace nacre
