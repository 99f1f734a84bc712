// What somebody sees who looks at a log beside its writer, or at one that has lost something.
//
// The writer's steps are put between the view's operations on files, one after the other, so that
// each interleaving is tried, and tried again.

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "lib/log/verify.h"
#include "nacre/emulation/fault_file_system.h"
#include "nacre/log.h"
#include "tests/support/file_bytes.h"
#include "tests/support/result_matchers.h"
#include "tests/wal/log_files.h"
#include "tests/wal/recovery_fixture.h"
#include "tests/wal/wal_domain.h"

namespace nacre {
namespace {

using test::has_code;
using test::LogPlace;
using test::text_of;

constexpr std::size_t kMessageBytes = 5000;
constexpr std::uint64_t kMessages = 40;  // Four segments.

class LogViewTest : public testing::TestWithParam<LogPlace> {
 protected:
  bool block() const { return GetParam() == LogPlace::kBlock; }

  /// A log of its own for each round.
  void open_log() {
    log_.reset();
    path_ = directory_->path() / ("log" + std::to_string(++logs_));
    auto log =
        Log::open(path_, {.segment_bytes = kMinSegmentBytes,
                          .spare_segments = 0,
                          .domain = block() ? DomainRequest::kBlock : DomainRequest::kEmulated,
                          .environment = {.executor = &executor_}});
    ASSERT_OK(log);
    log_ = std::make_unique<Log>(*std::move(log));
    ASSERT_OK(log_->create_topic("t"));
    appended_ = 0;
    append(kMessages);
  }
  Partition partition() { return log_->topic("t")->partition(0); }
  /// With a single wait, because there is many a round.
  void append(std::uint64_t count) {
    Offset last;
    for (const std::uint64_t end = appended_ + count; appended_ < end; ++appended_) {
      const std::string text = text_of(appended_, kMessageBytes);
      ASSERT_OK_AND_ASSIGN(last, partition().submit({.value = as_bytes(text)}));
    }
    ASSERT_OK(partition().wait(last));
  }
  /// Gives up everything there is, and writes over every segment of it.
  void recycle() {
    append(kMessages);
    ASSERT_OK(partition().truncate(Offset{appended_ - 1}));
    append(2 * kMessages);
  }

  /// Runs `look`, with the writer's step in front of the `nth` operation on files. False when there
  /// are fewer.
  template <class Look>
  bool look_with_step_before(std::uint64_t nth, Look look) {
    std::uint64_t operations = 0;
    bool stepped = false;
    files_.plan().before_each([&](const FileEvent&) {
      if (++operations != nth) return;
      stepped = true;
      recycle();
    });
    look();
    files_.plan().before_each({});
    return stepped;
  }

  Result<LogView> view() { return LogView::open(path_, {.file_system = &files_}); }

  /// Reads to the end; every message is checked to be what was appended there.
  Result<std::uint64_t> read_all(LogView& view, Offset from = Offset{0}) {
    auto reader = view.reader("t", 0, from);
    if (!reader) return reader.error();
    std::uint64_t next = from.value;
    for (;;) {
      const auto more = reader->next();
      if (!more) return more.error();
      if (!*more) return next;
      EXPECT_EQ(reader->message().offset, Offset{next});
      EXPECT_EQ(as_text(reader->message().value), text_of(next, kMessageBytes)) << next;
      ++next;
    }
  }

  std::unique_ptr<test::TempDirectory> directory_ = test::directory_for(GetParam());
  DeterministicExecutor executor_{1};
  PosixFileSystem kernel_;
  FaultFileSystem files_{kernel_};
  std::filesystem::path path_;
  std::unique_ptr<Log> log_;
  std::uint64_t appended_ = 0;
  int logs_ = 0;
};

INSTANTIATE_TEST_SUITE_P(Domain, LogViewTest,
                         testing::Values(LogPlace::kBlock, LogPlace::kEmulatedInMemory),
                         test::place_name);

// Between the check of a record and its use the segment could be recycled, and the view showed
// another record, or called the log damaged.
TEST_P(LogViewTest, AReaderBesideTruncationSeesWhatWasAppendedOrThatItIsGone) {
  bool stepped = true;
  for (std::uint64_t nth = 1; stepped; ++nth) {
    open_log();
    stepped = look_with_step_before(nth, [&] {
      auto view = this->view();
      ASSERT_OK(view);
      const auto read = read_all(*view);
      if (!read) {
        EXPECT_EQ(read.error().code(), ErrorCode::kNotFound) << read.error().to_string();
      }
    });
    if (HasFailure()) FAIL() << "with the writer's step before operation " << nth;
  }
}

TEST_P(LogViewTest, AMessageStaysWhileItsSegmentIsRecycled) {
  open_log();
  ASSERT_OK_AND_ASSIGN(LogView view, this->view());
  ASSERT_OK_AND_ASSIGN(ViewReader reader, view.reader("t", 0));
  ASSERT_OK_AND_ASSIGN(bool more, reader.next());
  ASSERT_TRUE(more);
  recycle();
  EXPECT_EQ(as_text(reader.message().value), text_of(0, kMessageBytes));
  // What was copied with it is good, too; then the reader hears of the truncation.
  for (std::uint64_t next = 1;; ++next) {
    const auto there = reader.next();
    if (!there) {
      EXPECT_EQ(there.error().code(), ErrorCode::kNotFound);
      break;
    }
    ASSERT_TRUE(*there);
    ASSERT_EQ(as_text(reader.message().value), text_of(next, kMessageBytes));
  }
}

// The newest segment could be given up while it was being summarised, and then `nacre stat` failed.
TEST_P(LogViewTest, ASummaryBesideTruncationSucceeds) {
  bool stepped = true;
  for (std::uint64_t nth = 1; stepped; ++nth) {
    open_log();
    stepped = look_with_step_before(nth, [&] {
      auto view = this->view();
      ASSERT_OK(view);
      const auto found = view->partitions();
      ASSERT_OK(found);
      const std::uint64_t end = found->front().end.value;
      EXPECT_TRUE(end == kMessages || end == appended_) << end;
      EXPECT_OK(view->free_segments());
    });
    if (HasFailure()) FAIL() << "with the writer's step before operation " << nth;
  }
}

TEST_P(LogViewTest, VerifyBesideTruncationFindsNoDamage) {
  bool stepped = true;
  for (std::uint64_t nth = 1; stepped; ++nth) {
    open_log();
    stepped = look_with_step_before(nth, [&] {
      const auto report = verify_directory(files_, executor_, path_);
      ASSERT_OK(report);
      for (const Error& damage : report->damage) ADD_FAILURE() << damage.to_string();
    });
    if (HasFailure()) FAIL() << "with the writer's step before operation " << nth;
  }
}

// A view used to end there, as if that had been all.
TEST_P(LogViewTest, AMissingSegmentIsCorruption) {
  for (const std::size_t lost : {0U, 1U, 3U}) {
    open_log();
    log_.reset();
    std::filesystem::remove(test::lane_files(path_)[lost].path);
    ASSERT_OK_AND_ASSIGN(LogView view, this->view());
    EXPECT_THAT(read_all(view), has_code(ErrorCode::kCorruption)) << lost;
    EXPECT_THAT(view.partitions(), has_code(ErrorCode::kCorruption)) << lost;
  }
}

TEST_P(LogViewTest, ALogWithoutAnyOfItsSegmentsIsCorruption) {
  open_log();
  log_.reset();
  for (const auto& file : test::segment_files(path_)) std::filesystem::remove(file.path);
  ASSERT_OK_AND_ASSIGN(LogView view, this->view());
  EXPECT_THAT(read_all(view), has_code(ErrorCode::kCorruption));
  EXPECT_THAT(view.partitions(), has_code(ErrorCode::kCorruption));
}

// The same in the newest segment of a log that was closed: its header says where it ends.
TEST_P(LogViewTest, DamageBeforeTheEndOfAClosedLogIsCorruption) {
  open_log();
  log_.reset();
  const auto newest = test::lane_files(path_).back().path;
  const auto frame = test::record_frames_of(newest).at(1);
  test::flip_bit(newest, frame.offset + 100);
  ASSERT_OK_AND_ASSIGN(LogView view, this->view());
  const auto read = read_all(view);
  ASSERT_THAT(read, has_code(ErrorCode::kCorruption));
  EXPECT_EQ(read.error().path(), newest.string());
  EXPECT_EQ(read.error().offset(), frame.offset);
  EXPECT_THAT(view.partitions(), has_code(ErrorCode::kCorruption));
}

// With the slot that seals a segment gone, the older one calls it active, and the view took the end
// of its frames for the end of the log.
TEST_P(LogViewTest, ASealThatHasRottedIsCorruption) {
  open_log();
  log_.reset();
  const auto sealed = test::lane_files(path_)[1];
  test::flip_bit(sealed.path, sealed.slot * kSegmentSlotBytes + 20);
  ASSERT_OK_AND_ASSIGN(LogView view, this->view());
  for (const std::uint64_t from : {std::uint64_t{0}, kMessages - 1}) {
    const auto read = read_all(view, Offset{from});
    ASSERT_THAT(read, has_code(ErrorCode::kCorruption));
    EXPECT_EQ(read.error().path(), sealed.path.string());
  }
  EXPECT_THAT(view.partitions(), has_code(ErrorCode::kCorruption));
}

// The same under a reader that has looked at the seal before.
TEST_P(LogViewTest, ASealThatRotsUnderAReaderIsCorruption) {
  open_log();
  ASSERT_OK_AND_ASSIGN(LogView view, this->view());
  ASSERT_OK_AND_ASSIGN(ViewReader reader, view.reader("t", 0));
  ASSERT_OK_AND_ASSIGN(bool more, reader.next());
  ASSERT_TRUE(more);
  const auto sealed = test::lane_files(path_).front();
  test::flip_bit(sealed.path, sealed.slot * kSegmentSlotBytes + 20);
  Result<bool> next = reader.next();
  while (next && *next) next = reader.next();
  EXPECT_THAT(next, has_code(ErrorCode::kCorruption));
}

TEST_P(LogViewTest, ASegmentCutShortIsCorruption) {
  open_log();
  log_.reset();
  std::filesystem::resize_file(test::lane_files(path_)[1].path, kSegmentDataOffset + 4096);
  ASSERT_OK_AND_ASSIGN(LogView view, this->view());
  EXPECT_THAT(read_all(view), has_code(ErrorCode::kCorruption));
}

// Longer than what is copied at once.
TEST_P(LogViewTest, ShowsMessagesOfAnySize) {
  const auto path = directory_->path() / "large";
  ASSERT_OK_AND_ASSIGN(Log log, Log::open(path, {.segment_bytes = std::uint64_t{24} << 20,
                                                 .domain = block() ? DomainRequest::kBlock
                                                                   : DomainRequest::kEmulated,
                                                 .environment = {.executor = &executor_}}));
  ASSERT_OK_AND_ASSIGN(const Topic topic, log.create_topic("t"));
  const std::vector<std::size_t> sizes = {1, 60'000, 70'000, 3'000'000, 10, 16'000'000, 5};
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    ASSERT_OK(topic.partition(0).append({.value = as_bytes(text_of(i, sizes[i]))}));
  }
  const std::string part = text_of(7, 70'000);
  const std::vector<Message> batch(20, Message{.value = as_bytes(part)});
  ASSERT_OK(topic.partition(0).append_batch(batch));
  ASSERT_OK_AND_ASSIGN(LogView view, LogView::open(path));
  ASSERT_OK_AND_ASSIGN(ViewReader reader, view.reader("t", 0));
  for (std::size_t i = 0; i < sizes.size() + batch.size(); ++i) {
    ASSERT_OK_AND_ASSIGN(const bool more, reader.next());
    ASSERT_TRUE(more);
    const std::string expected = i < sizes.size() ? text_of(i, sizes[i]) : part;
    ASSERT_TRUE(as_text(reader.message().value) == expected) << i;
  }
  ASSERT_OK_AND_ASSIGN(const bool more, reader.next());
  EXPECT_FALSE(more);
}

}  // namespace
}  // namespace nacre
