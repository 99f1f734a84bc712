// What a message log does when the file system fails it, when its files are damaged, or when it is
// asked for what cannot be. What lanes do in such cases, tests/wal/fault_test.cc shows.

#include <gtest/gtest.h>

#include <cerrno>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "lib/base/endian.h"
#include "lib/codec/crc32c.h"
#include "lib/log/catalog.h"
#include "lib/log/verify.h"
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

class LogFaultTest : public testing::TestWithParam<LogPlace> {
 protected:
  bool block() const { return GetParam() == LogPlace::kBlock; }
  FaultPlan& plan() { return files_.plan(); }

  LogOptions options() {
    return {.segment_bytes = kMinSegmentBytes,
            .spare_segments = 0,
            .domain = block() ? DomainRequest::kBlock : DomainRequest::kEmulated,
            .environment = {.file_system = &files_, .executor = &executor_}};
  }
  Result<Log> open() { return Log::open(log_, options()); }

  static Status append(Partition partition, std::uint64_t first, std::uint64_t last,
                       std::size_t bytes = 100) {
    for (std::uint64_t i = first; i <= last; ++i) {
      const std::string text = text_of(i, bytes);
      const auto appended = partition.append({.value = as_bytes(text)});
      if (!appended) return appended.error();
    }
    return {};
  }
  static std::vector<std::string> contents(Partition partition) {
    std::vector<std::string> all;
    auto reader = partition.reader(partition.begin());
    EXPECT_OK(reader);
    for (;;) {
      const auto next = reader->next();
      EXPECT_OK(next);
      if (!next || !*next) return all;
      all.emplace_back(as_text(reader->message().value));
    }
  }
  /// A topic "t" with messages 1 to 3, left as a crash leaves it.
  void make_crashed_log() {
    ASSERT_OK_AND_ASSIGN(Log log, open());
    ASSERT_OK_AND_ASSIGN(const Topic topic, log.create_topic("t", 2));
    ASSERT_OK(append(topic.partition(0), 1, 3));
    ASSERT_OK(append(topic.partition(1), 1, 3));
    test::copy_log(log_, directory_->path() / "crashed");
    ASSERT_OK(log.close());
    log_ = directory_->path() / "crashed";
  }
  /// Opening fails with `code` at `file`, and changes nothing.
  void expect_refused(ErrorCode code, const std::filesystem::path& file) {
    const auto before = test::directory_content(log_);
    const auto log = open();
    ASSERT_THAT(log, has_code(code));
    EXPECT_EQ(log.error().path(), file.string()) << log.error().to_string();
    EXPECT_THAT(test::changed_files(before, test::directory_content(log_)), testing::IsEmpty());
  }

  std::unique_ptr<test::TempDirectory> directory_ = test::directory_for(GetParam());
  std::filesystem::path log_ = directory_->path() / "log";
  PosixFileSystem posix_;
  FaultFileSystem files_{posix_};
  DeterministicExecutor executor_{3};
};

INSTANTIATE_TEST_SUITE_P(Domain, LogFaultTest,
                         testing::Values(LogPlace::kBlock, LogPlace::kEmulatedInMemory),
                         test::place_name);

TEST_P(LogFaultTest, ADamagedCatalogIsRefusedAndNothingIsChanged) {
  make_crashed_log();
  const auto path = log_ / kCatalogName;
  for (std::size_t offset = 0; offset < test::file_content(path).size(); offset += 7) {
    test::flip_bit(path, offset, 2);
    expect_refused(ErrorCode::kCorruption, path);
    test::flip_bit(path, offset, 2);
  }
  EXPECT_OK(open());
}

TEST_P(LogFaultTest, ALostCatalogIsRefusedAndNothingIsChanged) {
  make_crashed_log();
  std::filesystem::remove(log_ / kCatalogName);
  expect_refused(ErrorCode::kCorruption, log_ / kCatalogName);
}

TEST_P(LogFaultTest, ANewerCatalogIsUnsupported) {
  make_crashed_log();
  std::string content = test::file_content(log_ / kCatalogName);
  content[12] = 2;
  const le32 crc = ~crc32c(~0U, as_bytes(content).subspan(12));
  content.replace(8, 4, reinterpret_cast<const char*>(&crc), 4);
  test::write_content(log_ / kCatalogName, content);
  expect_refused(ErrorCode::kUnsupported, log_ / kCatalogName);
}

TEST_P(LogFaultTest, ACatalogOlderThanTheLogIsRefusedAndNothingIsChanged) {
  {
    ASSERT_OK_AND_ASSIGN(Log log, open());
    ASSERT_OK(log.create_topic("first"));
    ASSERT_OK(log.close());
  }
  const std::string old_catalog = test::file_content(log_ / kCatalogName);
  make_crashed_log();
  test::write_content(log_ / kCatalogName, old_catalog);
  expect_refused(ErrorCode::kCorruption, log_ / kCatalogName);
}

TEST_P(LogFaultTest, ADamagedSuperblockIsRefused) {
  make_crashed_log();
  test::flip_bit(log_ / kSuperblockName, 30);
  expect_refused(ErrorCode::kCorruption, log_ / kSuperblockName);
}

TEST_P(LogFaultTest, ATopicThatCannotBeWrittenIsNotThere) {
  ASSERT_OK_AND_ASSIGN(Log log, open());
  ASSERT_OK(log.create_topic("kept"));
  files_.set_free_bytes(10);
  EXPECT_THAT(log.create_topic("new"), has_code(ErrorCode::kNoSpace));
  EXPECT_THAT(log.topic("new"), has_code(ErrorCode::kNotFound));
  files_.set_free_bytes(std::nullopt);
  plan().add({.operation = FileOperation::kSync, .sys_errno = EIO, .path_contains = "CATALOG"});
  EXPECT_THAT(log.open_or_create_topic("new"), has_code(ErrorCode::kIo));
  EXPECT_THAT(log.topic("new"), has_code(ErrorCode::kNotFound));
  EXPECT_EQ(log.topics().size(), 1U);
  EXPECT_OK(log.create_topic("new"));
  ASSERT_OK(log.close());
  ASSERT_OK_AND_ASSIGN(const Log again, open());
  EXPECT_EQ(again.topics().size(), 2U);
}

TEST_P(LogFaultTest, TopicsThatCannotBeAreRefused) {
  ASSERT_OK_AND_ASSIGN(Log log, open());
  ASSERT_OK(log.create_topic("t"));
  EXPECT_THAT(log.create_topic("t"), has_code(ErrorCode::kBusy));
  EXPECT_THAT(log.create_topic("../t"), has_code(ErrorCode::kInvalidArgument));
  EXPECT_THAT(log.create_topic("none", 0), has_code(ErrorCode::kInvalidArgument));
  EXPECT_THAT(log.create_topic("many", 1025), has_code(ErrorCode::kInvalidArgument));
  EXPECT_THAT(log.topic("none"), has_code(ErrorCode::kNotFound));
  ASSERT_OK(log.close());
  EXPECT_THAT(log.create_topic("late"), has_code(ErrorCode::kClosed));
}

TEST_P(LogFaultTest, AFullDiskKeepsTheLogReadableAndAppendsResume) {
  ASSERT_OK_AND_ASSIGN(Log log, open());
  ASSERT_OK_AND_ASSIGN(const Topic topic, log.create_topic("t", 2));
  Partition partition = topic.partition(0);
  ASSERT_OK(append(partition, 1, 1, 3000));
  files_.set_free_bytes(0);
  std::uint64_t count = 1;
  while (append(partition, count + 1, count + 1, 3000)) ++count;
  const std::string next = text_of(count + 1, 3000);
  EXPECT_THAT(partition.append({.value = as_bytes(next)}), has_code(ErrorCode::kNoSpace));
  EXPECT_THAT(partition.submit({.value = as_bytes(next)}), has_code(ErrorCode::kNoSpace));
  EXPECT_THAT(partition.append_batch({{{.value = as_bytes(next)}}}), has_code(ErrorCode::kNoSpace));
  EXPECT_THAT(partition.claim(3000), has_code(ErrorCode::kNoSpace));
  EXPECT_THAT(topic.partition(1).append({.value = as_bytes(next)}), has_code(ErrorCode::kNoSpace));
  EXPECT_EQ(contents(partition), texts(1, count, 3000));
  EXPECT_EQ(partition.durable_end(), Offset{count});
  // Whoever only looks needs no room.
  ASSERT_OK_AND_ASSIGN(LogView view, LogView::open(log_, {.file_system = &files_}));
  ASSERT_OK_AND_ASSIGN(ViewReader reader, view.reader("t", 0));
  EXPECT_OK(reader.next());

  files_.set_free_bytes(std::nullopt);
  ASSERT_OK(append(partition, count + 1, count + 20, 3000));
  ASSERT_OK(append(topic.partition(1), 1, 5));
  ASSERT_OK(log.close());
  ASSERT_OK_AND_ASSIGN(const Log again, open());
  ASSERT_OK_AND_ASSIGN(const Topic found, again.topic("t"));
  EXPECT_EQ(contents(found.partition(0)), texts(1, count + 20, 3000));
  EXPECT_EQ(contents(found.partition(1)), texts(1, 5));
}

TEST_P(LogFaultTest, AFailedWriteStopsThePartitionAndNoOther) {
  if (!block()) GTEST_SKIP() << "a store into a mapping cannot fail";
  ASSERT_OK_AND_ASSIGN(Log log, open());
  ASSERT_OK_AND_ASSIGN(const Topic topic, log.create_topic("t", 2));
  Partition struck = topic.partition(0);
  ASSERT_OK(append(struck, 1, 3));
  ASSERT_OK(append(topic.partition(1), 1, 3));
  plan().add({.operation = FileOperation::kWrite, .sys_errno = EIO, .path_contains = ".seg"});
  ASSERT_OK_AND_ASSIGN(const Offset ticket, struck.submit({.value = as_bytes("lost")}));
  std::vector<std::string> called;
  struck.on_durable(ticket, [&called](const Status& status) {
    called.push_back(status ? "durable" : status.error().to_string());
  });
  const Status waited = struck.wait(ticket);
  ASSERT_THAT(waited, has_code(ErrorCode::kIo));
  executor_.run_all();
  const std::string first = waited.error().to_string();
  EXPECT_EQ(called, std::vector<std::string>{first});
  const Message message{.value = as_bytes("x")};
  EXPECT_EQ(struck.append(message).error().to_string(), first);
  EXPECT_EQ(struck.append_batch({{message}}).error().to_string(), first);
  EXPECT_EQ(struck.submit_batch({{message}}).error().to_string(), first);
  EXPECT_EQ(struck.claim(1).error().to_string(), first);
  EXPECT_EQ(struck.durable_end(), Offset{3});
  EXPECT_EQ(contents(struck), texts(1, 3));
  ASSERT_OK(append(topic.partition(1), 4, 6));
  EXPECT_EQ(log.close().error().to_string(), first);
  ASSERT_OK_AND_ASSIGN(const Log again, open());
  ASSERT_OK_AND_ASSIGN(const Topic found, again.topic("t"));
  EXPECT_EQ(contents(found.partition(0)), texts(1, 3));
  EXPECT_EQ(contents(found.partition(1)), texts(1, 6));
}

TEST_P(LogFaultTest, AMessageTooLargeOrEmptyIsRefused) {
  ASSERT_OK_AND_ASSIGN(Log log, open());
  ASSERT_OK_AND_ASSIGN(const Topic topic, log.create_topic("t"));
  Partition partition = topic.partition(0);
  const std::string large(partition.max_message_bytes(), 'x');
  const std::string key = "k";
  const Message too_large{.value = as_bytes(large), .key = as_bytes(key)};
  const Message empty{.value = {}};
  const Message good{.value = as_bytes(key)};
  for (const Message& bad : {too_large, empty}) {
    EXPECT_THAT(partition.append(bad), has_code(ErrorCode::kInvalidArgument));
    EXPECT_THAT(partition.submit(bad), has_code(ErrorCode::kInvalidArgument));
    EXPECT_THAT(partition.append_batch({{good, bad}}), has_code(ErrorCode::kInvalidArgument));
    EXPECT_THAT(partition.submit_batch({{bad, good}}), has_code(ErrorCode::kInvalidArgument));
  }
  EXPECT_THAT(partition.append_batch({}), has_code(ErrorCode::kInvalidArgument));
  EXPECT_THAT(partition.claim(0), has_code(ErrorCode::kInvalidArgument));
  EXPECT_THAT(partition.claim(large.size() + 1), has_code(ErrorCode::kInvalidArgument));
  EXPECT_OK(partition.append({.value = as_bytes(large)}));
  EXPECT_OK(partition.append({.value = {}, .key = as_bytes(key)}));
  EXPECT_EQ(partition.durable_end(), Offset{2});
}

TEST_P(LogFaultTest, RotUnderAReaderNamesSegmentAndOffset) {
  ASSERT_OK_AND_ASSIGN(Log log, open());
  ASSERT_OK_AND_ASSIGN(const Topic topic, log.create_topic("t"));
  ASSERT_OK(append(topic.partition(0), 1, 40, 3000));
  const auto segment = test::lane_files(log_).front().path;
  const auto frame = test::record_frames_of(segment)[3];
  test::flip_bit(segment, frame.offset + 100);
  EXPECT_OK(topic.partition(0).read(Offset{2}));
  const auto read = topic.partition(0).read(Offset{3});
  ASSERT_THAT(read, has_code(ErrorCode::kCorruption));
  EXPECT_EQ(read.error().path(), segment.string());
  EXPECT_EQ(read.error().offset(), frame.offset);
  ASSERT_OK_AND_ASSIGN(PartitionReader reader, topic.partition(0).reader());
  for (int i = 0; i < 3; ++i) ASSERT_OK(reader.next());
  EXPECT_THAT(reader.next(), has_code(ErrorCode::kCorruption));
  EXPECT_THAT(reader.next(), has_code(ErrorCode::kCorruption)) << "it does not step over it";

  ASSERT_OK_AND_ASSIGN(LogView view, LogView::open(log_));
  ASSERT_OK_AND_ASSIGN(ViewReader beside, view.reader("t", 0));
  for (int i = 0; i < 3; ++i) ASSERT_OK(beside.next());
  const auto seen = beside.next();
  ASSERT_THAT(seen, has_code(ErrorCode::kCorruption));
  EXPECT_EQ(seen.error().path(), segment.string());
  EXPECT_EQ(seen.error().offset(), frame.offset);
}

TEST_P(LogFaultTest, ASegmentCutShortUnderAReaderIsAnErrorWithFileAndOffset) {
  ASSERT_OK_AND_ASSIGN(Log log, open());
  ASSERT_OK_AND_ASSIGN(const Topic topic, log.create_topic("t"));
  ASSERT_OK(append(topic.partition(0), 1, 40, 3000));
  const auto segment = test::lane_files(log_).front().path;
  ASSERT_OK_AND_ASSIGN(PartitionReader reader, topic.partition(0).reader());
  ASSERT_OK(reader.next());
  std::filesystem::resize_file(segment, kSegmentDataOffset + 4096);
  for (int i = 0; i < 40; ++i) {
    const auto next = reader.next();
    if (next) continue;
    EXPECT_EQ(next.error().code(), ErrorCode::kIo);
    EXPECT_EQ(next.error().path(), segment.string());
    EXPECT_TRUE(next.error().offset().has_value());
    return;
  }
  FAIL() << "it read what is not there";
}

TEST_P(LogFaultTest, ARecordThatIsNoMessageIsCorruption) {
  {
    ASSERT_OK_AND_ASSIGN(Log log, open());
    ASSERT_OK_AND_ASSIGN(const Topic topic, log.create_topic("t"));
    ASSERT_OK(append(topic.partition(0), 1, 1));
    ASSERT_OK(log.close());
  }
  // The superblock of a WAL in its place lets records in that are no messages.
  ASSERT_OK_AND_ASSIGN(const Superblock superblock, read_superblock(files_, log_));
  const auto write_kind = [&](LogKind kind) {
    Superblock changed = superblock;
    changed.kind = kind;
    return write_superblock(files_, log_, changed);
  };
  ASSERT_OK(write_kind(LogKind::kWal));
  {
    ASSERT_OK_AND_ASSIGN(
        Wal wal, Wal::open(log_, {.segment_bytes = kMinSegmentBytes, .domain = options().domain}));
    ASSERT_OK(wal.lane(0).append(as_bytes("short")));
    ASSERT_OK(wal.close());
  }
  ASSERT_OK(write_kind(LogKind::kMessageLog));
  ASSERT_OK_AND_ASSIGN(const Log log, open());
  ASSERT_OK_AND_ASSIGN(const Topic topic, log.topic("t"));
  EXPECT_OK(topic.partition(0).read(Offset{0}));
  EXPECT_THAT(topic.partition(0).read(Offset{1}), has_code(ErrorCode::kCorruption));
  ASSERT_OK_AND_ASSIGN(PartitionReader reader, topic.partition(0).reader(Offset{1}));
  EXPECT_THAT(reader.next(), has_code(ErrorCode::kCorruption));
}

// Without a superblock the directory was begun anew, and its topics were gone, as long as none of
// them had a message.
TEST_P(LogFaultTest, ALostSuperblockLosesNoTopics) {
  {
    ASSERT_OK_AND_ASSIGN(Log log, open());
    ASSERT_OK(log.create_topic("t", 3));
    ASSERT_OK(log.close());
  }
  const auto kept = directory_->path() / "kept";
  std::filesystem::rename(log_ / kSuperblockName, kept);
  expect_refused(ErrorCode::kCorruption, log_);
  std::filesystem::rename(kept, log_ / kSuperblockName);
  ASSERT_OK_AND_ASSIGN(const Log log, open());
  EXPECT_OK(log.topic("t"));
}

TEST_P(LogFaultTest, AViewPassesOnWhatIsWrong) {
  const Environment environment{.file_system = &files_};
  EXPECT_THAT(LogView::open(log_, environment), has_code(ErrorCode::kNotFound));
  make_crashed_log();
  ASSERT_OK_AND_ASSIGN(LogView view, LogView::open(log_, environment));
  EXPECT_THAT(view.reader("none", 0), has_code(ErrorCode::kNotFound));
  EXPECT_THAT(view.reader("t", 2), has_code(ErrorCode::kNotFound));
  plan().add({.operation = FileOperation::kRead, .sys_errno = EIO, .path_contains = ".seg"});
  EXPECT_THAT(view.partitions(), has_code(ErrorCode::kIo));
  EXPECT_OK(view.partitions());
  plan().add({.operation = FileOperation::kRead, .sys_errno = EIO, .path_contains = "SUPERBLOCK"});
  EXPECT_THAT(LogView::open(log_, environment), has_code(ErrorCode::kIo));
  test::flip_bit(log_ / kSuperblockName, 30);
  EXPECT_THAT(LogView::open(log_, environment), has_code(ErrorCode::kCorruption));
}

TEST_P(LogFaultTest, AViewWorksWhereNothingMayBeWritten) {
  make_crashed_log();
  files_.set_read_only(true);
  EXPECT_THAT(open(), has_code(ErrorCode::kIo));
  ASSERT_OK_AND_ASSIGN(LogView view, LogView::open(log_, {.file_system = &files_}));
  ASSERT_OK_AND_ASSIGN(ViewReader reader, view.reader("t", 1));
  std::vector<std::string> seen;
  for (;;) {
    ASSERT_OK_AND_ASSIGN(const bool more, reader.next());
    if (!more) break;
    seen.emplace_back(as_text(reader.message().value));
  }
  EXPECT_EQ(seen, texts(1, 3));
}

TEST_P(LogFaultTest, AViewShowsNothingThatItCannotMakeDurable) {
  make_crashed_log();
  ASSERT_OK_AND_ASSIGN(LogView view, LogView::open(log_, {.file_system = &files_}));
  ASSERT_OK_AND_ASSIGN(ViewReader reader, view.reader("t", 0));
  plan().add({.operation = FileOperation::kSyncData, .sys_errno = EIO});
  EXPECT_THAT(reader.next(), has_code(ErrorCode::kIo));
  ASSERT_OK_AND_ASSIGN(const bool more, reader.next());
  EXPECT_TRUE(more);
}

TEST_P(LogFaultTest, VerifyNamesEachDamage) {
  make_crashed_log();
  const auto verify = [this] { return verify_directory(files_, executor_, log_); };
  ASSERT_OK_AND_ASSIGN(const auto sound, verify());
  EXPECT_TRUE(sound.damage.empty());
  EXPECT_EQ(sound.lanes, (std::vector<std::uint32_t>{0, 1}));
  EXPECT_EQ(sound.scanned.records, 6U);
  const auto frame = test::record_frames_of(test::lane_files(log_, 1).front().path)[0];
  test::flip_bit(test::lane_files(log_, 1).front().path, frame.offset + 60);
  test::flip_bit(log_ / kCatalogName, 20);
  test::flip_bit(log_ / "LANES", 20);
  const auto before = test::directory_content(log_);
  ASSERT_OK_AND_ASSIGN(const auto damaged, verify());
  std::vector<std::string> named;
  for (const Error& error : damaged.damage) {
    EXPECT_EQ(error.code(), ErrorCode::kCorruption) << error.to_string();
    named.push_back(error.path());
  }
  EXPECT_THAT(named, testing::UnorderedElementsAre(
                         (log_ / "LANES").string(), (log_ / kCatalogName).string(),
                         test::lane_files(log_, 1).front().path.string()));
  EXPECT_THAT(test::changed_files(before, test::directory_content(log_)), testing::IsEmpty());
}

}  // namespace
}  // namespace nacre
