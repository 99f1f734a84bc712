// What an open WAL does when device or media fail it, or when it is asked for what cannot be.

#include <gtest/gtest.h>

#include <cerrno>
#include <optional>
#include <string>
#include <utility>
#include <vector>

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

class BlockFaultTest : public WalFaultTest {};
INSTANTIATE_TEST_SUITE_P(Domain, BlockFaultTest, testing::Values(LogPlace::kBlock),
                         test::place_name);

// The device fails.

TEST_P(BlockFaultTest, AFailedWriteStopsTheLaneWithItsFirstError) {
  ASSERT_OK_AND_ASSIGN(Wal wal, open());
  append(wal, 1, 3);
  plan().add({.operation = FileOperation::kWrite, .sys_errno = EIO, .path_contains = ".seg"});
  const auto failed = wal.lane(0).append(as_bytes("lost"));
  ASSERT_THAT(failed, has_code(ErrorCode::kIo));
  EXPECT_EQ(failed.error().sys_errno(), EIO);
  EXPECT_THAT(failed.error().path(), testing::EndsWith(".seg"));
  EXPECT_TRUE(failed.error().offset().has_value());
  // The device works again, and yet: what the failed write left is unknown.
  const std::string first = failed.error().to_string();
  const Bytes one = as_bytes("x");
  EXPECT_EQ(wal.lane(0).append(one).error().to_string(), first);
  EXPECT_EQ(wal.lane(0).append_batch({{one}}).error().to_string(), first);
  EXPECT_EQ(wal.lane(0).submit(one).error().to_string(), first);
  EXPECT_EQ(wal.lane(0).submit_batch({{one}}).error().to_string(), first);
  EXPECT_EQ(wal.lane(0).claim(1).error().to_string(), first);
  EXPECT_EQ(wal.lane(0).durable_lsn(), Lsn{3});
  EXPECT_EQ(contents(wal), texts(1, 3));
  EXPECT_EQ(wal.close().error().to_string(), first);
  EXPECT_EQ(wal.close().error().to_string(), first) << "closing again says the same";

  ASSERT_OK_AND_ASSIGN(Wal again, open());
  EXPECT_EQ(contents(again), texts(1, 3));
  EXPECT_FALSE(again.recovery().clean_shutdown);
  append(again, 4, 4);
}

TEST_P(BlockFaultTest, AFailureReachesEveryTicketAndCallbackThatWaits) {
  ASSERT_OK_AND_ASSIGN(Wal wal, open());
  append(wal, 1, 2);
  plan().add({.operation = FileOperation::kWrite, .sys_errno = EIO, .path_contains = ".seg"});
  ASSERT_OK_AND_ASSIGN(const Lsn third, wal.lane(0).submit(as_bytes("three")));
  ASSERT_OK_AND_ASSIGN(const Lsn fourth, wal.lane(0).submit(as_bytes("four")));
  std::vector<std::pair<std::uint64_t, std::string>> called;
  for (const Lsn lsn : {Lsn{2}, third, fourth}) {
    wal.lane(0).on_durable(lsn, [&called, lsn](const Status& status) {
      called.emplace_back(lsn.value, status ? "durable" : status.error().to_string());
    });
  }
  executor_.run_all();
  const Status waited = wal.lane(0).wait(fourth);
  ASSERT_THAT(waited, has_code(ErrorCode::kIo));
  EXPECT_THAT(wal.lane(0).wait(third), has_code(ErrorCode::kIo));
  EXPECT_OK(wal.lane(0).wait(Lsn{2}));
  const std::string first = waited.error().to_string();
  EXPECT_EQ(called, (std::vector<std::pair<std::uint64_t, std::string>>{
                        {2, "durable"}, {third.value, first}, {fourth.value, first}}));
  // And one that comes too late.
  wal.lane(0).on_durable(fourth, [&called](const Status& status) {
    called.emplace_back(0, status ? "durable" : status.error().to_string());
  });
  EXPECT_EQ(called.back().second, first);
}

TEST_P(BlockFaultTest, AWriteThatArrivedInPartIsCutOffAtTheNextOpen) {
  for (const std::uint64_t arrived : {std::uint64_t{0}, std::uint64_t{512}, std::uint64_t{4096}}) {
    std::filesystem::remove_all(log());
    ASSERT_OK_AND_ASSIGN(Wal wal, open());
    append(wal, 1, 3);
    plan().add({.effect = FaultEffect::kTornWrite,
                .sys_errno = EIO,
                .path_contains = ".seg",
                .torn_bytes = arrived});
    EXPECT_THAT(wal.lane(0).append(as_bytes(text_of(4, 9000))), has_code(ErrorCode::kIo));
    EXPECT_FALSE(wal.close().has_value());
    ASSERT_OK_AND_ASSIGN(Wal again, open());
    EXPECT_EQ(contents(again), texts(1, 3)) << arrived;
    EXPECT_EQ(again.recovery().torn_tails, arrived == 0 ? 0U : 1U);
    append(again, 4, 5);
    ASSERT_OK(again.close());
    ASSERT_OK_AND_ASSIGN(const Wal last, open());
    EXPECT_EQ(contents(last), texts(1, 5));
  }
}

TEST_P(BlockFaultTest, OtherLanesGoOn) {
  ASSERT_OK_AND_ASSIGN(Wal wal, Wal::open(log(), options(2)));
  ASSERT_OK(wal.lane(0).append(as_bytes("zero")));
  ASSERT_OK(wal.lane(1).append(as_bytes("one")));
  plan().add({.operation = FileOperation::kWrite, .sys_errno = EIO, .path_contains = ".seg"});
  EXPECT_THAT(wal.lane(0).append(as_bytes("lost")), has_code(ErrorCode::kIo));
  EXPECT_OK(wal.lane(1).append(as_bytes("two")));
  EXPECT_THAT(wal.close(), has_code(ErrorCode::kIo));
  ASSERT_OK_AND_ASSIGN(const Wal again, Wal::open(log(), options(2)));
  EXPECT_EQ(contents(again), (std::vector<std::string>{"zero", "one", "two"}));
}

// A rotation writes two headers: the seal of the old segment, the activation of the new one.
TEST_P(BlockFaultTest, AHeaderThatCannotBeWrittenAtRotationStopsTheLane) {
  const std::string old_name = segment_file_name(SegmentId{1});
  const std::string new_name = segment_file_name(SegmentId{2});
  struct Case {
    std::string file;
    std::uint64_t nth;
  };
  // The new file is filled and given its free header by two writes before its activation.
  for (const Case& one : {Case{old_name, 1}, Case{new_name, 3}}) {
    std::filesystem::remove_all(log());
    ASSERT_OK_AND_ASSIGN(Wal wal, open());
    // One record in each block: the first segment is full.
    constexpr std::uint64_t kBlocks = (kMinSegmentBytes - kSegmentDataOffset) / wal::kBlockBytes;
    const std::uint64_t count = kBlocks;
    append(wal, 1, count, 3000);
    const std::size_t fault = plan().add({.operation = FileOperation::kWrite,
                                          .sys_errno = EIO,
                                          .path_contains = one.file,
                                          .nth = one.nth});
    const auto failed = wal.lane(0).append(as_bytes(text_of(count + 1, 3000)));
    ASSERT_THAT(failed, has_code(ErrorCode::kIo));
    ASSERT_EQ(plan().hits(fault), 1U);
    EXPECT_EQ(wal.lane(0).append(as_bytes("x")).error().to_string(), failed.error().to_string());
    EXPECT_EQ(contents(wal), texts(1, count, 3000));
    EXPECT_FALSE(wal.close().has_value());
    plan().clear();
    ASSERT_OK_AND_ASSIGN(Wal again, open());
    EXPECT_EQ(contents(again), texts(1, count, 3000)) << one.file;
    append(again, count + 1, count + 20, 3000);
    ASSERT_OK(again.close());
    ASSERT_OK_AND_ASSIGN(const Wal last, open());
    EXPECT_EQ(contents(last), texts(1, count + 20, 3000));
  }
}

TEST_P(BlockFaultTest, ACleanMarkThatCannotBeClearedStopsTheLane) {
  {
    ASSERT_OK_AND_ASSIGN(Wal wal, open());
    append(wal, 1, 3);
    ASSERT_OK(wal.close());
  }
  ASSERT_OK_AND_ASSIGN(Wal wal, open());
  plan().add({.operation = FileOperation::kWrite, .sys_errno = EIO, .path_contains = ".seg"});
  EXPECT_THAT(wal.lane(0).append(as_bytes("x")), has_code(ErrorCode::kIo));
  EXPECT_THAT(wal.lane(0).append(as_bytes("x")), has_code(ErrorCode::kIo));
  EXPECT_EQ(contents(wal), texts(1, 3));
  EXPECT_FALSE(wal.close().has_value());
  ASSERT_OK_AND_ASSIGN(const Wal again, open());
  EXPECT_EQ(contents(again), texts(1, 3));
}

TEST_P(BlockFaultTest, ACleanMarkThatCannotBeSetIsAnErrorOfClose) {
  ASSERT_OK_AND_ASSIGN(Wal wal, open());
  append(wal, 1, 3);
  plan().add({.operation = FileOperation::kWrite, .sys_errno = EIO, .path_contains = ".seg"});
  EXPECT_THAT(wal.close(), has_code(ErrorCode::kIo));
  ASSERT_OK_AND_ASSIGN(const Wal again, open());
  EXPECT_EQ(contents(again), texts(1, 3));
  EXPECT_FALSE(again.recovery().clean_shutdown);
}

TEST_P(BlockFaultTest, ATruncationThatCannotBeWrittenKeepsEverything) {
  ASSERT_OK_AND_ASSIGN(Wal wal, open());
  append(wal, 1, 40, 3000);
  plan().add({.operation = FileOperation::kWrite, .sys_errno = EIO, .path_contains = ".seg"});
  EXPECT_THAT(wal.truncate(Lsn{40}), has_code(ErrorCode::kIo));
  EXPECT_EQ(contents(wal), texts(1, 40, 3000));
}

TEST_P(WalFaultTest, TruncatingAClosedLogIsRefused) {
  ASSERT_OK_AND_ASSIGN(Wal wal, open());
  append(wal, 1, 40, 3000);
  ASSERT_OK(wal.close());
  const auto before = test::directory_content(log());
  // The lock is gone: another writer may own the files by now.
  EXPECT_THAT(wal.truncate(Lsn{40}), has_code(ErrorCode::kClosed));
  EXPECT_THAT(test::changed_files(before, test::directory_content(log())), testing::IsEmpty());
}

// Damage under a reader.

TEST_P(WalFaultTest, ASegmentCutShortUnderAReaderIsAnErrorWithFileAndOffset) {
  ASSERT_OK_AND_ASSIGN(Wal wal, open());
  append(wal, 1, 40, 3000);
  const auto first = test::lane_files(log()).front().path;
  ASSERT_OK_AND_ASSIGN(LaneReader reader, wal.lane(0).reader());
  ASSERT_OK_AND_ASSIGN(const bool there, reader.next());
  ASSERT_TRUE(there);
  std::filesystem::resize_file(first, kSegmentDataOffset + 4096);
  std::optional<Error> error;
  for (int i = 0; i < 40 && !error; ++i) {
    const auto next = reader.next();
    if (!next) error = next.error();
  }
  ASSERT_TRUE(error.has_value());
  EXPECT_EQ(error->code(), ErrorCode::kIo) << error->to_string();
  EXPECT_EQ(error->path(), first.string());
  ASSERT_TRUE(error->offset().has_value());
  EXPECT_GE(*error->offset(), kSegmentDataOffset + 4096);
  // A reader that comes now is told at once that the file is not what it was.
  const auto later = wal.replay([](std::uint32_t, const RecordView&) { return Status(); });
  EXPECT_FALSE(later.has_value());
}

TEST_P(WalFaultTest, RotUnderAReaderIsAnErrorWithFileAndOffset) {
  ASSERT_OK_AND_ASSIGN(Wal wal, open());
  append(wal, 1, 40, 3000);
  const auto first = test::lane_files(log()).front().path;
  const auto frame = test::record_frames_of(first)[5];
  test::flip_bit(first, frame.offset + 1000);
  std::uint64_t read = 0;
  const Status replayed = wal.replay([&read](std::uint32_t, const RecordView&) {
    ++read;
    return Status();
  });
  ASSERT_THAT(replayed, has_code(ErrorCode::kCorruption));
  EXPECT_EQ(read, 5U);
  EXPECT_EQ(replayed.error().path(), first.string());
  EXPECT_EQ(replayed.error().offset(), frame.offset);
}

TEST_P(WalFaultTest, RecordsOutOfRangeAreRefusedAndLeaveTheLaneAsItWas) {
  ASSERT_OK_AND_ASSIGN(Wal wal, open());
  Lane lane = wal.lane(0);
  const std::string largest(lane.max_payload(), 'x');
  const std::string too_large(lane.max_payload() + 1, 'x');
  const Bytes one = as_bytes("x");
  for (const Bytes bad : {Bytes(), as_bytes(too_large)}) {
    EXPECT_THAT(lane.append(bad), has_code(ErrorCode::kInvalidArgument));
    EXPECT_THAT(lane.submit(bad), has_code(ErrorCode::kInvalidArgument));
    EXPECT_THAT(lane.append_batch({{one, bad}}), has_code(ErrorCode::kInvalidArgument));
    EXPECT_THAT(lane.submit_batch({{bad, one}}), has_code(ErrorCode::kInvalidArgument));
    EXPECT_THAT(lane.claim(bad.size()), has_code(ErrorCode::kInvalidArgument));
  }
  EXPECT_THAT(lane.append_batch({}), has_code(ErrorCode::kInvalidArgument));
  EXPECT_THAT(lane.append_batch({{as_bytes(largest), one}}), has_code(ErrorCode::kInvalidArgument));
  ASSERT_OK_AND_ASSIGN(const Lsn lsn, lane.append(as_bytes(largest)));
  EXPECT_EQ(lsn, Lsn{1});
}

}  // namespace
}  // namespace nacre
