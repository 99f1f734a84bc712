// Damage below acknowledged data, in records and in headers: the log does not open, and says where.

#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "tests/wal/recovery_fixture.h"

namespace nacre::wal {
namespace {

using test::flip_bit;
using test::lane_files;
using test::LogPlace;
using test::poke;
using test::texts;

class RecoveryTest : public test::RecoveryFixture {};

INSTANTIATE_TEST_SUITE_P(Domain, RecoveryTest,
                         testing::Values(LogPlace::kBlock, LogPlace::kEmulatedInMemory),
                         test::place_name);

TEST_P(RecoveryTest, RotBelowAcknowledgedDataIsRefused) {
  ASSERT_OK_AND_ASSIGN(Wal wal, try_open());
  append(wal, 1, 6);
  crash(std::move(wal));
  const test::SegmentFile file = newest();
  for (std::uint64_t lsn = 1; lsn <= 5; ++lsn) {
    const std::size_t frame = frame_of(lsn).offset;
    // Checksum, length, LSN, kind, payload.
    for (const std::size_t at : {0U, 4U, 8U, 20U, 24U, 100U}) {
      flip_bit(file.path, frame + at, 1);
      const Error error = refused(ErrorCode::kCorruption);
      EXPECT_EQ(error.path(), file.path.string());
      EXPECT_EQ(error.offset(), frame) << lsn << " at " << at;
      flip_bit(file.path, frame + at, 1);
    }
  }
  EXPECT_EQ(contents_after_opening(), texts(1, 6));
}

TEST_P(RecoveryTest, ABlockOfZerosBelowAcknowledgedDataIsRefused) {
  ASSERT_OK_AND_ASSIGN(Wal wal, try_open());
  append(wal, 1, 6, 5000);
  crash(std::move(wal));
  const auto frame = frame_of(3);
  poke(newest().path, align_up(frame.offset, kBlockBytes), std::string(kBlockBytes, '\0'));
  EXPECT_EQ(refused(ErrorCode::kCorruption).path(), newest().path.string());
}

TEST_P(RecoveryTest, RotInASealedSegmentIsRefused) {
  ASSERT_OK_AND_ASSIGN(Wal wal, try_open());
  append(wal, 1, 60, 3000);
  crash(std::move(wal));
  const auto segments = lane_files(log());
  ASSERT_GE(segments.size(), 3U);
  for (std::size_t i = 0; i + 1 < segments.size(); ++i) {
    const auto frames = test::record_frames_of(segments[i].path);
    // The last record, too: the header says that it was there.
    for (const auto& frame : {frames.front(), frames[frames.size() / 2], frames.back()}) {
      flip_bit(segments[i].path, frame.offset + 500);
      const Error error = refused(ErrorCode::kCorruption);
      EXPECT_EQ(error.path(), segments[i].path.string());
      EXPECT_EQ(error.offset(), frame.offset);
      flip_bit(segments[i].path, frame.offset + 500);
    }
  }
  EXPECT_EQ(contents_after_opening(), texts(1, 60, 3000));
}

TEST_P(RecoveryTest, RotInTheLastRecordOfACleanlyClosedLogIsRefused) {
  {
    ASSERT_OK_AND_ASSIGN(Wal wal, try_open());
    append(wal, 1, 3);
    ASSERT_OK(wal.close());
  }
  const auto frame = frame_of(3);
  flip_bit(newest().path, frame.offset + 60);
  const Error error = refused(ErrorCode::kCorruption);
  EXPECT_EQ(error.path(), newest().path.string());
  EXPECT_EQ(error.offset(), frame.offset);
}

// A header slot that rots reveals the state before. When that was the clean close before the last
// open, the log seemed to end where it had ended then, and all records since were cut off silently.
TEST_P(RecoveryTest, AHeaderThatRevertsToAnOlderCleanCloseIsRefused) {
  {
    ASSERT_OK_AND_ASSIGN(Wal wal, try_open());
    append(wal, 1, 3);
    ASSERT_OK(wal.close());
  }
  ASSERT_OK_AND_ASSIGN(Wal wal, try_open());
  append(wal, 4, 6);
  crash(std::move(wal));
  const test::SegmentFile file = newest();
  ASSERT_FALSE(file.state.closed_cleanly);
  flip_bit(file.path, file.slot * kSegmentSlotBytes + 20);
  ASSERT_TRUE(newest().state.closed_cleanly);
  const Error error = refused(ErrorCode::kCorruption);
  EXPECT_EQ(error.path(), file.path.string());
  EXPECT_EQ(error.offset(), file.slot * kSegmentSlotBytes);
}

TEST_P(RecoveryTest, AHeaderThatRevertsToFreeIsRefused) {
  ASSERT_OK_AND_ASSIGN(Wal wal, try_open());
  append(wal, 1, 30, 3000);
  crash(std::move(wal));
  ASSERT_GE(lane_files(log()).size(), 2U);
  const test::SegmentFile file = newest();
  flip_bit(file.path, file.slot * kSegmentSlotBytes + 20);
  const Error error = refused(ErrorCode::kCorruption);
  EXPECT_EQ(error.path(), file.path.string());
  EXPECT_EQ(error.offset(), file.slot * kSegmentSlotBytes);
}

TEST_P(RecoveryTest, ASealThatRotsAwayIsRefused) {
  ASSERT_OK_AND_ASSIGN(Wal wal, try_open());
  append(wal, 1, 30, 3000);
  crash(std::move(wal));
  const auto segments = lane_files(log());
  ASSERT_GE(segments.size(), 2U);
  flip_bit(segments[0].path, segments[0].slot * kSegmentSlotBytes + 20);
  EXPECT_EQ(refused(ErrorCode::kCorruption).path(), segments[0].path.string());
}

TEST_P(RecoveryTest, AHeaderWithBothSlotsDamagedIsRefused) {
  ASSERT_OK_AND_ASSIGN(Wal wal, try_open());
  append(wal, 1, 3);
  crash(std::move(wal));
  const auto path = newest().path;
  flip_bit(path, 20);
  flip_bit(path, kSegmentSlotBytes + 20);
  EXPECT_EQ(refused(ErrorCode::kCorruption).path(), path.string());
}

TEST_P(RecoveryTest, AnImpossibleEndInAHeaderIsRefused) {
  {
    ASSERT_OK_AND_ASSIGN(Wal wal, try_open());
    append(wal, 1, 3);
    ASSERT_OK(wal.close());
  }
  const test::SegmentFile file = newest();
  for (const std::uint64_t end : {std::uint64_t{0}, kMinSegmentBytes + 64, ~std::uint64_t{0}}) {
    SegmentState state = file.state;
    state.end_offset = end;
    test::write_slot(file.path, file.slot, state);
    EXPECT_EQ(refused(ErrorCode::kCorruption).path(), file.path.string());
  }
}

}  // namespace
}  // namespace nacre::wal
