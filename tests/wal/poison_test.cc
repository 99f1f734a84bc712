// Bad blocks under mapped segments: reading one is a SIGBUS, which has to come out as an error that
// names file and offset, and must not take more with it than lies there.
//
// The block is a page of 4096 bytes: the processor's memory management poisons nothing smaller.

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "lib/log/verify.h"
#include "nacre/emulation/fault_file_system.h"
#include "nacre/emulation/poisoned_range.h"
#include "nacre/log.h"
#include "tests/wal/recovery_fixture.h"
#include "wal/inspect.h"

namespace {

/// A page of one file that is bad in whatever mapping of it is made.
struct BadPage {
  dev_t device = 0;
  ino_t file = 0;
  off_t offset = -1;  // -1: none.
};
BadPage bad_page;

constexpr off_t kPageBytes = 4096;

}  // namespace

// The linker sends every call of mmap in this program here (--wrap=mmap).
// NOLINTBEGIN(bugprone-reserved-identifier)
extern "C" void* __real_mmap(void* address, std::size_t bytes, int protection, int flags, int file,
                             off_t offset);
extern "C" void* __wrap_mmap(void* address, std::size_t bytes, int protection, int flags, int file,
                             off_t offset);

extern "C" void* __wrap_mmap(void* address, std::size_t bytes, int protection, int flags, int file,
                             off_t offset) {
  void* const mapped = __real_mmap(address, bytes, protection, flags, file, offset);
  struct stat info{};
  if (mapped == MAP_FAILED || file < 0 || bad_page.offset < offset ||
      bad_page.offset + kPageBytes > offset + static_cast<off_t>(bytes) ||
      fstat(file, &info) != 0 || info.st_dev != bad_page.device || info.st_ino != bad_page.file) {
    return mapped;
  }
  // A page past the end of its file. Whoever unmaps the whole mapping unmaps this with it.
  const int empty = memfd_create("nacre-bad-page", MFD_CLOEXEC);
  void* const page = static_cast<std::byte*>(mapped) + (bad_page.offset - offset);
  void* const hole = __real_mmap(page, kPageBytes, protection, MAP_SHARED | MAP_FIXED, empty, 0);
  close(empty);
  return hole == MAP_FAILED ? MAP_FAILED : mapped;
}
// NOLINTEND(bugprone-reserved-identifier)

namespace nacre {
namespace {

using test::has_code;
using test::LogPlace;
using test::text_of;
using test::texts;

constexpr std::size_t kRecordBytes = 3000;
constexpr std::uint64_t kRecords = 80;  // Six segments or so.

class PoisonTest : public test::RecoveryFixture {
 protected:
  ~PoisonTest() override { heal(); }

  /// Makes the page bad in which byte `offset` of `path` lies.
  static void poison(const std::filesystem::path& path, std::size_t offset) {
    struct stat info{};
    ASSERT_EQ(stat(path.c_str(), &info), 0);
    bad_page = {.device = info.st_dev,
                .file = info.st_ino,
                .offset = static_cast<off_t>(offset / kPageBytes * kPageBytes)};
  }
  static void heal() { bad_page = {}; }

  static void expect_names(const Error& error, const std::filesystem::path& path,
                           std::size_t offset) {
    EXPECT_EQ(error.code(), ErrorCode::kIo) << error.to_string();
    EXPECT_EQ(error.path(), path.string());
    ASSERT_TRUE(error.offset().has_value()) << error.to_string();
    EXPECT_EQ(*error.offset() / kPageBytes, offset / kPageBytes) << error.to_string();
  }

  /// A crashed log of many segments.
  void make_crashed_log() {
    ASSERT_OK_AND_ASSIGN(Wal wal, try_open());
    append(wal, 1, kRecords, kRecordBytes);
    crash(std::move(wal));
    ASSERT_GE(test::lane_files(log()).size(), 4U);
  }
};

INSTANTIATE_TEST_SUITE_P(Domain, PoisonTest,
                         testing::Values(LogPlace::kBlock, LogPlace::kEmulatedInMemory),
                         test::place_name);

TEST_P(PoisonTest, ABadBlockKeepsTheLogShutAndHealedItHoldsEverything) {
  make_crashed_log();
  const auto segments = test::lane_files(log());
  for (const auto& file : {segments.front(), segments[2], segments.back()}) {
    const auto frame = test::record_frames_of(file.path)[1];
    poison(file.path, frame.offset);
    const auto before = test::directory_content(log());
    const auto wal = try_open();
    ASSERT_FALSE(wal.has_value());
    expect_names(wal.error(), file.path, frame.offset);
    EXPECT_THAT(test::changed_files(before, test::directory_content(log())), testing::IsEmpty());
    heal();
  }
  EXPECT_EQ(contents_after_opening(), texts(1, kRecords, kRecordBytes));
}

// Where a log that was not closed in order ends, nothing acknowledged lies; and still a page there
// that cannot be read might hold what was.
TEST_P(PoisonTest, ABadBlockBehindTheEndOfTheLogIsNoTornTail) {
  ASSERT_OK_AND_ASSIGN(Wal wal, try_open());
  append(wal, 1, 3);
  crash(std::move(wal));
  const auto path = test::lane_files(log()).front().path;
  const std::size_t end = test::record_frames_of(path).back().next;
  poison(path, end + kPageBytes);
  const auto again = try_open();
  ASSERT_FALSE(again.has_value());
  expect_names(again.error(), path, end + kPageBytes);
}

TEST_P(PoisonTest, ABadBlockInAFreeSegmentIsNoDamage) {
  {
    ASSERT_OK_AND_ASSIGN(Wal wal, try_open());
    append(wal, 1, kRecords, kRecordBytes);
    ASSERT_OK(wal.truncate(Lsn{kRecords}));
    ASSERT_OK(wal.close());
  }
  const auto all = test::segment_files(log());
  const auto free = std::ranges::find_if(
      all, [](const test::SegmentFile& file) { return file.state.use == SegmentUse::kFree; });
  ASSERT_NE(free, all.end());
  poison(free->path, kSegmentDataOffset);
  ASSERT_OK(try_open());
}

TEST_P(PoisonTest, VerifyNamesTheBlock) {
  make_crashed_log();
  const auto file = test::lane_files(log())[1];
  const auto frame = test::record_frames_of(file.path)[3];
  poison(file.path, frame.offset);
  PosixFileSystem files;
  ASSERT_OK_AND_ASSIGN(const auto report, verify_directory(files, executor_, log()));
  ASSERT_EQ(report.damage.size(), 1U);
  expect_names(report.damage.front(), file.path, frame.offset);
}

// Looking at one segment file is a matter of its mapping alone. A bad block under the header once
// ended the process.
TEST_P(PoisonTest, LookingAtASegmentNamesTheBlockWhereverItLies) {
  make_crashed_log();
  const auto file = test::lane_files(log())[1];
  PosixFileSystem files;
  const auto look = [&] {
    return wal::inspect_segment(files, file.path, [](const wal::FrameRead&) { return true; });
  };
  ASSERT_OK(look());
  for (const std::size_t offset :
       {std::size_t{0}, kSegmentSlotBytes, kSegmentDataOffset, 5 * kSegmentDataOffset}) {
    poison(file.path, offset);
    const auto seen = look();
    ASSERT_FALSE(seen.has_value()) << offset;
    expect_names(seen.error(), file.path, offset);
  }
}

// Of a page that goes bad while the log is open, a reader shows all that lies before it; what lies
// in other segments, and in this one from the next entry of the index on, can be read as before.
TEST_P(PoisonTest, ABadBlockUnderAReaderTakesNothingElseWithIt) {
  ASSERT_OK_AND_ASSIGN(Wal wal, try_open());
  append(wal, 1, kRecords, kRecordBytes);
  const auto files = test::lane_files(log());
  const auto frames = test::record_frames_of(files[1].path);
  const std::uint64_t bad_lsn = frames[4].lsn;

  ASSERT_OK_AND_ASSIGN(LaneReader at_it, wal.lane(0).reader(Lsn{bad_lsn}));
  ASSERT_OK_AND_ASSIGN(const bool there, at_it.next());
  ASSERT_TRUE(there);
  ASSERT_OK_AND_ASSIGN(const PoisonedRange bad,
                       PoisonedRange::create(at_it.record().payload.first(1)));

  std::vector<std::string> before;
  const Status replayed = wal.replay([&](std::uint32_t, const RecordView& record) {
    before.emplace_back(as_text(record.payload));
    return Status();
  });
  ASSERT_FALSE(replayed.has_value());
  expect_names(replayed.error(), files[1].path, frames[4].offset + sizeof(wal::FrameHeader));
  // A record may begin in the bad page, or reach into it.
  ASSERT_GE(before.size(), bad_lsn - 3);
  ASSERT_LT(before.size(), bad_lsn);
  EXPECT_EQ(before, texts(1, before.size(), kRecordBytes));

  const std::uint64_t next = files[2].state.base_lsn.value;
  ASSERT_OK_AND_ASSIGN(LaneReader behind, wal.lane(0).reader(Lsn{next}));
  std::vector<std::string> after;
  for (;;) {
    ASSERT_OK_AND_ASSIGN(const bool more, behind.next());
    if (!more) break;
    after.emplace_back(as_text(behind.record().payload));
  }
  EXPECT_EQ(after, texts(next, kRecords, kRecordBytes));
  // Writing is not reading: the lane goes on.
  EXPECT_OK(wal.lane(0).append(as_bytes("more")));
}

// A view copies what it reads: there a bad block is an error of the kernel's read, not a signal.
TEST_P(PoisonTest, AViewNamesTheFileThatCannotBeReadAndReadsOnElsewhere) {
  std::vector<test::SegmentFile> files;
  {
    ASSERT_OK_AND_ASSIGN(
        Log written,
        Log::open(log(), {.segment_bytes = kMinSegmentBytes,
                          .domain = block() ? DomainRequest::kBlock : DomainRequest::kEmulated,
                          .environment = {.executor = &executor_}}));
    ASSERT_OK_AND_ASSIGN(const Topic topic, written.create_topic("t"));
    for (std::uint64_t i = 0; i < kRecords; ++i) {
      const std::string text = text_of(i, kRecordBytes);
      ASSERT_OK(topic.partition(0).append({.value = as_bytes(text)}));
    }
    ASSERT_OK(written.close());
    files = test::lane_files(log());
  }
  PosixFileSystem posix;
  FaultFileSystem faulty(posix);
  ASSERT_OK_AND_ASSIGN(LogView view, LogView::open(log(), {.file_system = &faulty}));
  ASSERT_OK_AND_ASSIGN(ViewReader reader, view.reader("t", 0, Offset{0}));
  // The header is read first, and can be.
  faulty.plan().add({.operation = FileOperation::kRead,
                     .path_contains = files[1].path.filename().string(),
                     .nth = 2});
  std::optional<Error> error;
  std::uint64_t read = 0;
  while (!error && read < kRecords) {
    const auto next = reader.next();
    if (!next) {
      error = next.error();
    } else {
      ASSERT_TRUE(*next);
      EXPECT_EQ(as_text(reader.message().value), text_of(read, kRecordBytes));
      ++read;
    }
  }
  ASSERT_TRUE(error.has_value());
  EXPECT_EQ(error->code(), ErrorCode::kIo) << error->to_string();
  EXPECT_EQ(error->path(), files[1].path.string());
  EXPECT_TRUE(error->offset().has_value()) << error->to_string();
  EXPECT_EQ(read, files[1].state.base_lsn.value - 1) << "the segment before is whole";

  const Offset behind{files[2].state.base_lsn.value - 1};
  ASSERT_OK_AND_ASSIGN(ViewReader other, view.reader("t", 0, behind));
  for (std::uint64_t i = behind.value; i < kRecords; ++i) {
    ASSERT_OK_AND_ASSIGN(const bool there, other.next());
    ASSERT_TRUE(there) << i;
    EXPECT_EQ(as_text(other.message().value), text_of(i, kRecordBytes));
  }
}

using PoisonDeathTest = PoisonTest;
INSTANTIATE_TEST_SUITE_P(Domain, PoisonDeathTest, testing::Values(LogPlace::kEmulatedInMemory),
                         test::place_name);

// Stores into a mapping are not guarded: an append to a bad block ends the process, before anything
// is acknowledged. docs/fault_model.md says so.
TEST_P(PoisonDeathTest, AnAppendToABadBlockEndsTheProcess) {
  testing::GTEST_FLAG(death_test_style) = "threadsafe";
  ASSERT_OK_AND_ASSIGN(Wal wal, try_open());
  append(wal, 1, 1);
  ASSERT_OK_AND_ASSIGN(LaneReader reader, wal.lane(0).reader());
  ASSERT_OK_AND_ASSIGN(const bool there, reader.next());
  ASSERT_TRUE(there);
  // By SIGBUS, or by a sanitizer that reports it.
  EXPECT_DEATH(
      {
        const auto bad = PoisonedRange::create(reader.record().payload.first(1));
        static_cast<void>(wal.lane(0).append(as_bytes("lost")));
      },
      "");
}

}  // namespace
}  // namespace nacre
