#include "wal/sparse_index.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

namespace nacre::wal {
namespace {

constexpr std::size_t kStride = SparseIndex::kStrideBytes;
constexpr SparseIndex::Entry kNone{.lsn = {}, .offset = ~std::size_t{0}};
constexpr std::size_t kNowhere = kNone.offset;

TEST(SparseIndex, FindsTheNewestEntryAtOrBeforeAnLsn) {
  SparseIndex index(4 * kStride);
  EXPECT_EQ(index.find(Lsn{1}, kNone).offset, kNowhere);
  index.add(Lsn{10}, 8192);
  index.add(Lsn{20}, kStride + 64);
  index.add(Lsn{30}, 2 * kStride);
  EXPECT_EQ(index.find(Lsn{9}, kNone).offset, kNowhere);
  EXPECT_EQ(index.find(Lsn{10}, kNone).offset, 8192U);
  EXPECT_EQ(index.find(Lsn{19}, kNone).offset, 8192U);
  EXPECT_EQ(index.find(Lsn{20}, kNone).offset, kStride + 64);
  EXPECT_EQ(index.find(Lsn{29}, kNone).offset, kStride + 64);
  EXPECT_EQ(index.find(Lsn{1000}, kNone).offset, 2 * kStride);
}

TEST(SparseIndex, FindsTheFirstEntryAtOrBehindAnOffset) {
  SparseIndex index(4 * kStride);
  EXPECT_FALSE(index.at_or_behind(0).has_value());
  index.add(Lsn{10}, 8192);
  index.add(Lsn{20}, kStride + 64);
  EXPECT_EQ(index.at_or_behind(0)->lsn, Lsn{10});
  EXPECT_EQ(index.at_or_behind(8192)->lsn, Lsn{10});
  EXPECT_EQ(index.at_or_behind(8193)->lsn, Lsn{20});
  EXPECT_EQ(index.at_or_behind(kStride + 64)->offset, kStride + 64);
  EXPECT_FALSE(index.at_or_behind(kStride + 65).has_value());
}

TEST(SparseIndex, WantsOneFrameForEachStride) {
  SparseIndex index(4 * kStride);
  EXPECT_TRUE(index.wants(0));
  index.add(Lsn{1}, 8192);
  EXPECT_FALSE(index.wants(kStride - 64));
  EXPECT_TRUE(index.wants(kStride));
  // A frame that spans two strides: the next wanted one lies in the stride after the frame.
  index.add(Lsn{2}, 3 * kStride - 64);
  EXPECT_FALSE(index.wants(3 * kStride - 1));
  EXPECT_TRUE(index.wants(3 * kStride));
}

TEST(SparseIndex, HoldsAsManyEntriesAsTheSegmentHasStrides) {
  SparseIndex index(2 * kStride);
  for (std::uint64_t i = 0; i < 100; ++i) index.add(Lsn{i + 1}, i * kStride);
  EXPECT_EQ(index.find(Lsn{100}, kNone).offset, 2 * kStride);
}

TEST(SparseIndex, AReaderBesideTheWriterSeesWholeEntries) {
  constexpr std::uint64_t kEntries = 2000;
  SparseIndex index(kEntries * kStride);
  std::atomic<bool> done = false;
  std::thread reader([&] {
    while (!done.load(std::memory_order_acquire)) {
      const std::size_t found = index.find(Lsn{kEntries}, {}).offset;
      // Entry i lies at i * stride with LSN i + 1; a torn entry would break that.
      EXPECT_EQ(found % kStride, 0U);
      EXPECT_GE(index.find(Lsn{found / kStride + 1}, {}).offset, found);
    }
  });
  for (std::uint64_t i = 0; i < kEntries; ++i) index.add(Lsn{i + 1}, i * kStride);
  done.store(true, std::memory_order_release);
  reader.join();
  EXPECT_EQ(index.find(Lsn{kEntries}, {}).offset, (kEntries - 1) * kStride);
}

}  // namespace
}  // namespace nacre::wal
