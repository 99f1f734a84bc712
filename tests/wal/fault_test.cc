// What a WAL does when the file system fails it, or when it is asked for what cannot be.

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nacre/emulation/fault_file_system.h"
#include "nacre/log.h"
#include "nacre/wal.h"
#include "tests/support/result_matchers.h"
#include "tests/wal/log_files.h"
#include "tests/wal/recovery_fixture.h"

namespace nacre {
namespace {

using test::has_code;
using test::LogPlace;
using test::text_of;
using test::texts;

class WalFaultTest : public testing::TestWithParam<LogPlace> {
 protected:
  bool block() const { return GetParam() == LogPlace::kBlock; }
  std::filesystem::path log() const { return directory_->path() / "log"; }
  FaultPlan& plan() { return files_.plan(); }

  WalOptions options(std::uint32_t lanes = 1) {
    return {.lanes = lanes,
            .segment_bytes = kMinSegmentBytes,
            .spare_segments = 0,
            .domain = block() ? DomainRequest::kBlock : DomainRequest::kEmulated,
            .environment = {.file_system = &files_, .executor = &executor_}};
  }
  Result<Wal> open() { return Wal::open(log(), options()); }

  static std::vector<std::string> contents(const Wal& wal) {
    std::vector<std::string> all;
    EXPECT_OK(wal.replay([&](std::uint32_t, const RecordView& record) {
      all.emplace_back(as_text(record.payload));
      return Status();
    }));
    return all;
  }
  static void append(Wal& wal, std::uint64_t first, std::uint64_t last, std::size_t bytes = 100) {
    for (std::uint64_t i = first; i <= last; ++i) {
      ASSERT_OK(wal.lane(0).append(as_bytes(text_of(i, bytes))));
    }
  }
  /// Appends records of 3000 bytes until one fails; returns how many did not.
  static std::uint64_t append_until_refused(Wal& wal, std::optional<Error>& refused) {
    for (std::uint64_t i = 1; i < 1000; ++i) {
      const auto appended = wal.lane(0).append(as_bytes(text_of(i, 3000)));
      if (appended) continue;
      refused = appended.error();
      return i - 1;
    }
    return 0;
  }

  std::unique_ptr<test::TempDirectory> directory_ = test::directory_for(GetParam());
  PosixFileSystem posix_;
  FaultFileSystem files_{posix_};
  DeterministicExecutor executor_{3};
};

INSTANTIATE_TEST_SUITE_P(Domain, WalFaultTest,
                         testing::Values(LogPlace::kBlock, LogPlace::kEmulatedInMemory),
                         test::place_name);

class BlockFaultTest : public WalFaultTest {};
INSTANTIATE_TEST_SUITE_P(Domain, BlockFaultTest, testing::Values(LogPlace::kBlock),
                         test::place_name);

// Full disk.

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

// No rights.

TEST_P(WalFaultTest, AReadOnlyFileSystemIsAnErrorThatSaysSo) {
  {
    ASSERT_OK_AND_ASSIGN(Wal wal, open());
    append(wal, 1, 3);
    ASSERT_OK(wal.close());
  }
  const auto before = test::directory_content(log());
  files_.set_read_only(true);
  for (const auto& path : {log(), directory_->path() / "new"}) {
    const auto wal = Wal::open(path, options());
    ASSERT_THAT(wal, has_code(ErrorCode::kIo));
    EXPECT_EQ(wal.error().sys_errno(), EROFS);
    EXPECT_THAT(wal.error().message(), testing::HasSubstr("read-only"));
  }
  EXPECT_THAT(test::changed_files(before, test::directory_content(log())), testing::IsEmpty());
  files_.set_read_only(false);
  EXPECT_OK(open());
}

TEST_P(WalFaultTest, NoPermissionIsAnErrorThatSaysSo) {
  plan().add({.operation = FileOperation::kCreate, .sys_errno = EACCES, .path_contains = "LOCK"});
  const auto wal = open();
  ASSERT_THAT(wal, has_code(ErrorCode::kIo));
  EXPECT_EQ(wal.error().sys_errno(), EACCES);
  EXPECT_THAT(wal.error().message(), testing::HasSubstr("permission denied"));
  EXPECT_EQ(wal.error().path(), (log() / "LOCK").string());
}

TEST_P(WalFaultTest, AParentThatIsMissingIsNamed) {
  const auto wal = Wal::open(directory_->path() / "a" / "b", options());
  ASSERT_FALSE(wal.has_value());
  EXPECT_THAT(wal.error().to_string(), testing::HasSubstr("/a/b"));
}

// One writer.

TEST_P(WalFaultTest, ASecondWriterIsBusyAndToldThePid) {
  ASSERT_OK_AND_ASSIGN(Wal wal, open());
  const auto before = test::directory_content(log());
  const auto second = open();
  ASSERT_THAT(second, has_code(ErrorCode::kBusy));
  EXPECT_THAT(second.error().message(), testing::HasSubstr(std::to_string(getpid())));
  EXPECT_THAT(test::changed_files(before, test::directory_content(log())), testing::IsEmpty());
  ASSERT_OK(wal.close());
  EXPECT_OK(open());
}

TEST_P(WalFaultTest, ASecondProcessIsBusyAndToldThePid) {
  ASSERT_OK_AND_ASSIGN(Wal wal, open());
  append(wal, 1, 3);
  std::array<int, 2> ends{};
  ASSERT_EQ(pipe(ends.data()), 0);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const auto second = open();
    const std::string line = second ? "it opened" : second.error().to_string();
    const bool sent = write(ends[1], line.data(), line.size()) == static_cast<ssize_t>(line.size());
    _exit(sent ? 0 : 1);
  }
  close(ends[1]);
  std::string line(1000, '\0');
  const ssize_t got = read(ends[0], line.data(), line.size());
  close(ends[0]);
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_GT(got, 0);
  EXPECT_THAT(
      line.substr(0, static_cast<std::size_t>(got)),
      testing::AllOf(testing::HasSubstr("busy"), testing::HasSubstr(std::to_string(getpid()))));
  // The child's end must not have let go of the lock that it shares.
  EXPECT_THAT(open(), has_code(ErrorCode::kBusy));
  append(wal, 4, 4);
}

// The wrong place.

TEST_P(BlockFaultTest, AFileSystemWithoutDirectWritesSaysToAskForEmulated) {
  plan().add({.operation = FileOperation::kOpen,
              .sys_errno = EINVAL,
              .path_contains = ".nacre-probe",
              .times = Fault::kAlways});
  for (const DomainRequest request : {DomainRequest::kAuto, DomainRequest::kBlock}) {
    WalOptions wanted = options();
    wanted.domain = request;
    const auto wal = Wal::open(log(), wanted);
    ASSERT_THAT(wal, has_code(ErrorCode::kUnsupported));
    EXPECT_THAT(wal.error().message(), testing::HasSubstr("emulated"));
    EXPECT_EQ(wal.error().path(), log().string());
  }
  WalOptions wanted = options();
  wanted.domain = DomainRequest::kEmulated;
  EXPECT_OK(Wal::open(log(), wanted));
}

TEST(WalFault, MemoryFilesSayToAskForEmulated) {
  const test::TempDirectory directory = test::TempDirectory::on_tmpfs();
  for (const DomainRequest request : {DomainRequest::kAuto, DomainRequest::kBlock}) {
    const auto wal =
        Wal::open(directory.path() / "log", {.segment_bytes = kMinSegmentBytes, .domain = request});
    ASSERT_THAT(wal, has_code(ErrorCode::kUnsupported));
    EXPECT_THAT(wal.error().message(), testing::HasSubstr("emulated"));
  }
}

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

TEST_P(WalFaultTest, OpeningPassesOnWhatTheFileSystemSays) {
  {
    ASSERT_OK_AND_ASSIGN(Wal wal, open());
    append(wal, 1, 3);
    ASSERT_OK(wal.close());
  }
  const auto before = test::directory_content(log());
  for (const Fault& fault : std::vector<Fault>{
           {.operation = FileOperation::kOpen, .path_contains = "SUPERBLOCK"},
           {.operation = FileOperation::kRead, .path_contains = "SUPERBLOCK"},
           {.operation = FileOperation::kRead, .path_contains = "LANES"},
           {.operation = FileOperation::kListDirectory, .path_contains = "segments"},
           {.operation = FileOperation::kRead, .path_contains = ".seg"},
           {.operation = FileOperation::kSize, .path_contains = ".seg"},
           {.operation = FileOperation::kLock},
       }) {
    plan().clear();
    const std::size_t number = plan().add(fault);
    const auto wal = open();
    ASSERT_THAT(wal, has_code(ErrorCode::kIo)) << file_operation_name(fault.operation);
    EXPECT_EQ(wal.error().sys_errno(), EIO);
    EXPECT_EQ(plan().hits(number), 1U);
  }
  EXPECT_THAT(test::changed_files(before, test::directory_content(log())), testing::IsEmpty());
}

TEST_P(BlockFaultTest, RecoveryThatCannotMakeDurableWhatItFoundDoesNotOpen) {
  ASSERT_OK_AND_ASSIGN(Wal wal, open());
  append(wal, 1, 3);
  plan().add({.operation = FileOperation::kWrite, .sys_errno = EIO, .path_contains = ".seg"});
  EXPECT_FALSE(wal.close().has_value());
  plan().add({.operation = FileOperation::kSyncData, .sys_errno = EIO, .path_contains = ".seg"});
  EXPECT_THAT(open(), has_code(ErrorCode::kIo));
  ASSERT_OK_AND_ASSIGN(const Wal again, open());
  EXPECT_EQ(contents(again), texts(1, 3));
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

// What cannot be asked for.

TEST_P(WalFaultTest, OptionsOutOfRangeAreRefusedBeforeAnythingIsMade) {
  const std::vector<std::pair<std::string, WalOptions>> wrong = {
      {"lanes", {.lanes = 0}},
      {"lanes", {.lanes = 257}},
      {"segment_bytes", {.segment_bytes = 1}},
      {"segment_bytes", {.segment_bytes = kMinSegmentBytes - 4096}},
      {"segment_bytes", {.segment_bytes = kMinSegmentBytes + 1}},
      {"segment_bytes", {.segment_bytes = kMaxSegmentBytes + 4096}},
      {"spare_segments", {.spare_segments = 65}}};
  for (auto [name, asked] : wrong) {
    asked.domain = options().domain;
    const auto wal = Wal::open(log(), asked);
    ASSERT_THAT(wal, has_code(ErrorCode::kInvalidArgument));
    EXPECT_THAT(wal.error().message(), testing::HasSubstr(name));
    EXPECT_FALSE(std::filesystem::exists(log()));
  }
}

TEST_P(WalFaultTest, OptionsThatDoNotFitTheLogAreRefused) {
  {
    ASSERT_OK_AND_ASSIGN(Wal wal, Wal::open(log(), options(3)));
    ASSERT_OK(wal.lane(2).append(as_bytes("x")));
    ASSERT_OK(wal.close());
  }
  const auto before = test::directory_content(log());
  const auto fewer = Wal::open(log(), options(2));
  ASSERT_THAT(fewer, has_code(ErrorCode::kInvalidArgument));
  EXPECT_THAT(fewer.error().message(), testing::HasSubstr("3 lanes"));
  WalOptions other_size = options(3);
  other_size.segment_bytes = 2 * kMinSegmentBytes;
  EXPECT_THAT(Wal::open(log(), other_size), has_code(ErrorCode::kInvalidArgument));
  EXPECT_THAT(test::changed_files(before, test::directory_content(log())), testing::IsEmpty());
  WalOptions any_size = options(4);
  any_size.segment_bytes = 0;
  EXPECT_OK(Wal::open(log(), any_size));
}

TEST_P(WalFaultTest, AWalIsNotAMessageLogAndTheReverse) {
  const LogOptions as_log = {.segment_bytes = kMinSegmentBytes,
                             .spare_segments = 0,
                             .domain = options().domain,
                             .environment = options().environment};
  ASSERT_OK(open());
  const auto log_of_wal = Log::open(log(), as_log);
  ASSERT_THAT(log_of_wal, has_code(ErrorCode::kInvalidArgument));
  EXPECT_THAT(log_of_wal.error().message(), testing::HasSubstr("holds a WAL"));
  ASSERT_OK(Log::open(directory_->path() / "messages", as_log));
  const auto wal_of_log = Wal::open(directory_->path() / "messages", options());
  ASSERT_THAT(wal_of_log, has_code(ErrorCode::kInvalidArgument));
  EXPECT_THAT(wal_of_log.error().message(), testing::HasSubstr("holds a message log"));
}

TEST_P(WalFaultTest, AFileIsNotADirectory) {
  test::write_content(log(), "a file");
  EXPECT_THAT(open(), has_code(ErrorCode::kInvalidArgument));
  EXPECT_EQ(test::file_content(log()), "a file");
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
