#include "wal/recovery.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "tests/wal/recovery_fixture.h"

namespace nacre::wal {
namespace {

using test::lane_files;
using test::LogPlace;
using test::segment_files;
using test::texts;

class RecoveryTest : public test::RecoveryFixture {};

INSTANTIATE_TEST_SUITE_P(Domain, RecoveryTest,
                         testing::Values(LogPlace::kBlock, LogPlace::kEmulatedInMemory),
                         test::place_name);

TEST_P(RecoveryTest, EverythingIsThereAfterACrash) {
  ASSERT_OK_AND_ASSIGN(Wal wal, try_open());
  append(wal, 1, 50, 3000);
  crash(std::move(wal));
  ASSERT_OK_AND_ASSIGN(const Wal again, try_open());
  EXPECT_EQ(contents(again), texts(1, 50, 3000));
  EXPECT_FALSE(again.recovery().clean_shutdown);
  EXPECT_EQ(again.recovery().records, 50U);
  EXPECT_EQ(again.recovery().torn_tails, 0U);
  EXPECT_EQ(again.recovery().segments, lane_files(log()).size());
}

TEST_P(RecoveryTest, AnInterruptedRotationIsCompleted) {
  ASSERT_OK_AND_ASSIGN(Wal wal, try_open());
  std::uint64_t last = 0;
  while (!std::filesystem::exists(log()) || lane_files(log()).size() < 2) {
    append(wal, last + 1, last + 1, 3000);
    ++last;
  }
  crash(std::move(wal));
  const auto segments = lane_files(log());
  // The crash came before the successor was activated, and so before its first record.
  SegmentState free = segments[1].state;
  free.use = SegmentUse::kFree;
  free.generation -= 1;
  free.sequence = 1;
  test::write_content(segments[1].path, std::string(kMinSegmentBytes, '\0'));
  test::write_slot(segments[1].path, 0, free);
  {
    ASSERT_OK_AND_ASSIGN(Wal again, try_open());
    EXPECT_EQ(contents(again), texts(1, last - 1, 3000));
    EXPECT_EQ(lane_files(log()).back().state.next, SegmentId{})
        << "the segment it named is free for anybody";
    append(again, last, last + 40, 3000);
    crash(std::move(again));
  }
  EXPECT_EQ(contents_after_opening(), texts(1, last + 40, 3000));
}

TEST_P(RecoveryTest, AnInterruptedTruncationIsCompleted) {
  ASSERT_OK_AND_ASSIGN(Wal wal, try_open());
  append(wal, 1, 60, 3000);
  const test::DirectoryContent before = test::directory_content(log());
  ASSERT_OK(wal.truncate(Lsn{50}));
  const auto kept = contents(wal);
  ASSERT_LT(kept.size(), 60U);
  crash(std::move(wal));
  const auto freed = segment_files(log());
  std::size_t put_back = 0;
  for (const auto& file : freed) {
    if (file.state.use != SegmentUse::kFree) continue;
    const std::string name = std::filesystem::relative(file.path, log()).string();
    if (!before.contains(name)) continue;
    test::write_content(file.path, before.at(name));
    ++put_back;
  }
  ASSERT_GE(put_back, 2U);
  for (int round = 0; round < 2; ++round) {
    ASSERT_OK_AND_ASSIGN(Wal again, try_open());
    EXPECT_EQ(contents(again), kept);
    const auto now = segment_files(log());
    EXPECT_EQ(static_cast<std::size_t>(std::ranges::count_if(
                  now, [](const auto& file) { return file.state.use == SegmentUse::kFree; })),
              put_back);
    crash(std::move(again));
  }
}

TEST_P(RecoveryTest, ASecondRecoveryWritesNothing) {
  ASSERT_OK_AND_ASSIGN(Wal wal, try_open());
  append(wal, 1, 30, 3000);
  append_together(wal, 31, 36);
  crash(std::move(wal));
  damage(block() ? 33 : 36);
  std::vector<std::string> found;
  {
    ASSERT_OK_AND_ASSIGN(Wal again, try_open());
    found = contents(again);
    crash(std::move(again));
  }
  const test::DirectoryContent mended = test::directory_content(log());
  {
    ASSERT_OK_AND_ASSIGN(Wal again, try_open());
    EXPECT_EQ(contents(again), found);
    EXPECT_THAT(test::changed_files(mended, test::directory_content(log())), testing::IsEmpty());
    crash(std::move(again));
  }
}

TEST_P(RecoveryTest, OpeningACleanlyClosedLogWritesNothing) {
  {
    ASSERT_OK_AND_ASSIGN(Wal wal, try_open());
    append(wal, 1, 30, 3000);
    ASSERT_OK(wal.close());
  }
  const test::DirectoryContent before = test::directory_content(log());
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(contents_after_opening(), texts(1, 30, 3000));
    EXPECT_THAT(test::changed_files(before, test::directory_content(log())), testing::IsEmpty());
  }
}

TEST_P(RecoveryTest, ALaneThatBeganJustBeforeTheCrashIsNoted) {
  ASSERT_OK_AND_ASSIGN(Wal wal, try_open());
  crash(std::move(wal));
  const std::string none = test::file_content(log() / "LANES");
  ASSERT_OK_AND_ASSIGN(Wal again, try_open());
  append(again, 1, 1);
  const std::string noted = test::file_content(log() / "LANES");
  ASSERT_NE(none, noted);
  crash(std::move(again));
  test::write_content(log() / "LANES", none);
  EXPECT_EQ(contents_after_opening(), texts(1, 1));
  EXPECT_EQ(test::file_content(log() / "LANES"), noted);
}

TEST_P(RecoveryTest, AnInterruptedCreationOfTheLogIsBegunAnew) {
  {
    ASSERT_OK_AND_ASSIGN(Wal wal, try_open());
    ASSERT_OK(wal.close());
  }
  // The superblock is written last; without it nothing was ever acknowledged here.
  std::filesystem::remove(log() / "SUPERBLOCK");
  test::write_content(log() / "SUPERBLOCK.tmp", "half");
  ASSERT_OK_AND_ASSIGN(Wal wal, try_open());
  append(wal, 1, 1);
  crash(std::move(wal));
  EXPECT_EQ(contents_after_opening(), texts(1, 1));
}

}  // namespace
}  // namespace nacre::wal
