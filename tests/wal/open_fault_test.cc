// What opening a WAL says when the place, the file system or the options do not allow it.

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>
#include <utility>
#include <vector>

#include "nacre/log.h"
#include "tests/wal/fault_fixture.h"

namespace nacre {
namespace {

using test::has_code;
using test::LogPlace;
using test::texts;

class WalFaultTest : public test::WalFaultFixture {};
INSTANTIATE_TEST_SUITE_P(Domain, WalFaultTest,
                         testing::Values(LogPlace::kBlock, LogPlace::kEmulatedInMemory),
                         test::place_name);

class BlockFaultTest : public WalFaultTest {};
INSTANTIATE_TEST_SUITE_P(Domain, BlockFaultTest, testing::Values(LogPlace::kBlock),
                         test::place_name);

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
  // Which recovery would take away; too few lanes were once refused only behind it.
  test::write_content(log() / kSegmentDirectoryName / "0000000000000009.seg.tmp", "half made");
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

}  // namespace
}  // namespace nacre
