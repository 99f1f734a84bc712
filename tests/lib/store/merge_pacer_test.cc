#include "lib/store/merge_pacer.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <thread>

#include "nacre/clock.h"
#include "nacre/executor.h"
#include "nacre/store.h"
#include "tests/support/result_matchers.h"
#include "tests/support/temp_directory.h"

namespace nacre {
namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;

TEST(MergePacer, KeepsToTheRateBeyondOneBurst) {
  ManualClock clock;
  store::MergePacer pacer(10'000);
  const std::uint64_t begin_ns = clock.monotonic_ns();
  for (int i = 0; i < 100; ++i) {
    pacer.take(1'000, clock.monotonic_ns());
    clock.advance_ns(pacer.wait_ns(clock.monotonic_ns()));
    EXPECT_EQ(pacer.wait_ns(clock.monotonic_ns()), 0U);
  }
  const std::uint64_t taken_ns = clock.monotonic_ns() - begin_ns;
  EXPECT_LE(taken_ns, 10 * kSecond);
  EXPECT_GE(taken_ns, 10 * kSecond - TokenBucket::kBurstNs);
}

TEST(MergePacer, ARateOfZeroIsNoBound) {
  store::MergePacer pacer(0);
  EXPECT_FALSE(pacer.is_on());
}

class MergeRateTest : public testing::Test {
 protected:
  static constexpr std::uint64_t kRate = 1000;  // A table's 300 KB take minutes of the clock.

  Result<Store> open() {
    StoreOptions options{.write_lanes = 1,
                         .segment_bytes = std::uint64_t{4} << 20,
                         .merge_bytes_per_second = kRate,
                         .domain = DomainRequest::kEmulated};
    options.environment.clock = &clock_;
    options.environment.executor = executor_.get();
    return Store::open(directory_.path() / "store", options);
  }
  /// One table of 300 KB.
  static void add_table(Store& store) {
    for (int i = 0; i < 300; ++i) {
      ASSERT_OK(store.put(as_bytes(std::to_string(i)), as_bytes(std::string(1000, 'v'))));
    }
    ASSERT_OK(store.flush());
  }
  static std::uint64_t merges(const Store& store) { return store.stats().value().merges; }

  test::TempDirectory directory_ = test::TempDirectory::on_tmpfs();
  ManualClock clock_;
  std::unique_ptr<ThreadPool> executor_ = ThreadPool::create(3).value();
};

// While the clock stands a merge does not come to an end, but flushes do.
TEST_F(MergeRateTest, MergesTakeTheirTimeByTheClockAndFlushesDoNot) {
  ASSERT_OK_AND_ASSIGN(Store store, open());
  for (int i = 0; i < 4; ++i) add_table(store);
  EXPECT_EQ(store.stats().value().flushes, 4U);
  EXPECT_EQ(merges(store), 0U) << "four tables are merged in the background";
  const std::uint64_t begin_ns = clock_.monotonic_ns();
  while (merges(store) == 0) {
    clock_.advance_ns(kSecond / 10);
    std::this_thread::yield();
  }
  const std::uint64_t moved = 4 * 300 * 1000;  // Read, at least.
  EXPECT_GE(clock_.monotonic_ns() - begin_ns, (moved - (1 << 19)) / kRate * kSecond);
  ASSERT_OK(store.close());
}

TEST_F(MergeRateTest, ItIsWaivedWhileWritersAreSlowed) {
  ASSERT_OK_AND_ASSIGN(Store store, open());
  // Of 24 tables that may pile up, half are free.
  for (int i = 0; i < 12; ++i) add_table(store);
  EXPECT_EQ(merges(store), 0U);
  add_table(store);
  while (merges(store) == 0) std::this_thread::yield();
  EXPECT_EQ(clock_.monotonic_ns(), ManualClock().monotonic_ns());
}

TEST_F(MergeRateTest, ClosingDoesNotWaitForTheRate) {
  ASSERT_OK_AND_ASSIGN(Store store, open());
  for (int i = 0; i < 4; ++i) add_table(store);
  EXPECT_OK(store.close());
  EXPECT_EQ(clock_.monotonic_ns(), ManualClock().monotonic_ns());
}

}  // namespace
}  // namespace nacre
