// What a WAL does when there is no room: it loses nothing, and goes on when there is.

#include <gtest/gtest.h>

#include <cerrno>
#include <optional>

#include "tests/wal/fault_fixture.h"

namespace nacre {
namespace {

using test::has_code;
using test::LogPlace;
using test::text_of;
using test::texts;

class WalFaultTest : public test::WalFaultFixture {};
INSTANTIATE_TEST_SUITE_P(Domain, WalFaultTest,
                         testing::Values(LogPlace::kBlock, LogPlace::kEmulatedInMemory),
                         test::place_name);

TEST_P(WalFaultTest, AFullDiskAtCreationLeavesNothingInTheWay) {
  for (std::uint64_t room = 0; room < 66'500; room += room < 64'000 ? 16'000 : 100) {
    files_.set_free_bytes(room);
    const auto wal = open();
    if (!wal) {
      EXPECT_EQ(wal.error().code(), ErrorCode::kNoSpace) << wal.error().to_string();
    }
    files_.set_free_bytes(std::nullopt);
    ASSERT_TRUE(wal || room < 66'000);
  }
  ASSERT_OK_AND_ASSIGN(Wal wal, open());
  append(wal, 1, 3);
  EXPECT_EQ(contents(wal), texts(1, 3));
}

// The first segment of a lane needs room for itself, and then a little for the list of lanes. When
// only the latter was missing, the lane once refused for ever.
TEST_P(WalFaultTest, AFullDiskAtTheFirstAppendIsForgottenWhenThereIsRoom) {
  ASSERT_OK_AND_ASSIGN(Wal wal, open());
  for (const std::uint64_t room :
       {std::uint64_t{0}, kMinSegmentBytes - 1, kMinSegmentBytes, std::uint64_t{10}}) {
    files_.set_free_bytes(room);
    EXPECT_THAT(wal.lane(0).append(as_bytes("x")), has_code(ErrorCode::kNoSpace)) << room;
    EXPECT_EQ(wal.lane(0).durable_lsn(), Lsn{0});
    EXPECT_TRUE(contents(wal).empty());
  }
  files_.set_free_bytes(std::nullopt);
  append(wal, 1, 30, 3000);
  EXPECT_EQ(contents(wal), texts(1, 30, 3000));
  ASSERT_OK(wal.close());
  ASSERT_OK_AND_ASSIGN(const Wal again, open());
  EXPECT_EQ(contents(again), texts(1, 30, 3000));
}

TEST_P(WalFaultTest, AFullDiskAtRotationKeepsTheLogReadableAndAppendsResume) {
  ASSERT_OK_AND_ASSIGN(Wal wal, open());
  append(wal, 1, 1, 3000);
  files_.set_free_bytes(1000);
  std::uint64_t count = 1;
  std::optional<Error> refused;
  while (!refused) {
    const auto appended = wal.lane(0).append(as_bytes(text_of(count + 1, 3000)));
    if (appended) {
      ++count;
    } else {
      refused = appended.error();
    }
  }
  EXPECT_EQ(refused->code(), ErrorCode::kNoSpace);
  EXPECT_EQ(refused->sys_errno(), ENOSPC);
  ASSERT_GT(count, 10U);
  EXPECT_EQ(contents(wal), texts(1, count, 3000));
  EXPECT_EQ(wal.lane(0).durable_lsn(), Lsn{count});
  EXPECT_THAT(wal.lane(0).claim(3000), has_code(ErrorCode::kNoSpace));
  EXPECT_THAT(wal.lane(0).submit(as_bytes(text_of(0, 3000))), has_code(ErrorCode::kNoSpace));

  files_.set_free_bytes(std::nullopt);
  append(wal, count + 1, count + 30, 3000);
  ASSERT_OK(wal.close());
  ASSERT_OK_AND_ASSIGN(const Wal again, open());
  EXPECT_EQ(contents(again), texts(1, count + 30, 3000));
}

TEST_P(WalFaultTest, TruncationMakesRoomOnAFullDisk) {
  ASSERT_OK_AND_ASSIGN(Wal wal, open());
  append(wal, 1, 60, 3000);
  files_.set_free_bytes(0);
  std::optional<Error> refused;
  append_until_refused(wal, refused);
  ASSERT_TRUE(refused.has_value());
  ASSERT_OK(wal.truncate(Lsn{50}));
  EXPECT_OK(wal.lane(0).append(as_bytes(text_of(1, 3000))));
}

// Whoever must truncate a log because the disk is full must be able to open it first: trying the
// domain and noting the pid once needed room.
TEST_P(WalFaultTest, AFullDiskDoesNotKeepALogFromBeingOpenedAndTruncated) {
  {
    ASSERT_OK_AND_ASSIGN(Wal wal, open());
    append(wal, 1, 60, 3000);
    ASSERT_OK(wal.close());
  }
  for (const char* path : {".nacre-probe", "LOCK"}) {
    plan().add({.operation = FileOperation::kWrite, .sys_errno = ENOSPC, .path_contains = path});
  }
  ASSERT_OK_AND_ASSIGN(Wal wal, open());
  EXPECT_EQ(contents(wal), texts(1, 60, 3000));
  ASSERT_OK(wal.truncate(Lsn{50}));
}

TEST_P(WalFaultTest, WhatIsSubmittedWhenTheDiskIsFullIsDurableFirst) {
  ASSERT_OK_AND_ASSIGN(Wal wal, open());
  append(wal, 1, 1, 3000);
  files_.set_free_bytes(0);
  std::uint64_t count = 1;
  while (wal.lane(0).submit(as_bytes(text_of(count + 1, 3000)))) ++count;
  EXPECT_OK(wal.lane(0).wait(Lsn{count}));
  EXPECT_EQ(contents(wal), texts(1, count, 3000));
}

TEST_P(WalFaultTest, ASegmentThatCannotBeMadeIsTriedAgain) {
  ASSERT_OK_AND_ASSIGN(Wal wal, open());
  std::uint64_t count = 0;
  for (const FileOperation step : {FileOperation::kPreallocate, FileOperation::kSync,
                                   FileOperation::kRename, FileOperation::kSyncDirectory}) {
    const std::size_t fault =
        plan().add({.operation = step, .sys_errno = EIO, .path_contains = "segments"});
    while (plan().hits(fault) == 0) {
      const auto appended = wal.lane(0).append(as_bytes(text_of(count + 1, 3000)));
      if (appended) {
        ++count;
      } else {
        EXPECT_THAT(appended, has_code(ErrorCode::kIo)) << file_operation_name(step);
      }
    }
    append(wal, count + 1, count + 1, 3000);
    ++count;
  }
  ASSERT_OK(wal.close());
  ASSERT_OK_AND_ASSIGN(const Wal again, open());
  EXPECT_EQ(contents(again), texts(1, count, 3000));
}

}  // namespace
}  // namespace nacre
