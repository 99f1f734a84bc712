// A log whose directory stops being where it was, and processes that fork with one open.

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <semaphore>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "nacre/executor.h"
#include "nacre/log.h"
#include "tests/support/child_process.h"
#include "tests/support/file_bytes.h"
#include "tests/support/result_matchers.h"
#include "tests/wal/log_files.h"
#include "tests/wal/recovery_fixture.h"
#include "tests/wal/wal_domain.h"

namespace nacre {
namespace {

using test::exit_status;
using test::fork_child;
using test::has_code;
using test::LogPlace;
using test::refused;
using test::text_of;

class LogPlaceTest : public testing::TestWithParam<LogPlace> {
 protected:
  LogOptions options() {
    return {.segment_bytes = kMinSegmentBytes,
            .spare_segments = 0,
            .domain = test::domain_of(GetParam()),
            .environment = {.executor = &executor_}};
  }
  static Status append(Partition partition, std::uint64_t count) {
    for (std::uint64_t i = 0; i < count; ++i) {
      if (auto at = partition.append({.value = as_bytes(text_of(i, 3000))}); !at) return at.error();
    }
    return {};
  }
  static std::uint64_t count(const Log& log, std::string_view topic = "t") {
    const auto found = log.topic(topic);
    return found ? found->partition(0).durable_end().value : 0;
  }

  std::unique_ptr<test::TempDirectory> directory_ = test::directory_for(GetParam());
  std::filesystem::path path_ = directory_->path() / "log";
  DeterministicExecutor executor_{1};
};

INSTANTIATE_TEST_SUITE_P(Domain, LogPlaceTest,
                         testing::Values(LogPlace::kBlock, LogPlace::kEmulatedInMemory),
                         test::place_name);

// A relative path was looked up again at each rotation: after a chdir the log went on in whatever
// was called the same there, and destroyed another log.
TEST_P(LogPlaceTest, ARelativePathMeansWhatItMeantAtTheOpening) {
  const auto before = std::filesystem::current_path();
  const auto here = directory_->path() / "here";
  const auto there = directory_->path() / "there";
  std::filesystem::create_directory(here);
  std::filesystem::create_directory(there);
  {
    ASSERT_OK_AND_ASSIGN(Log other, Log::open(there / "log", options()));
    ASSERT_OK_AND_ASSIGN(const Topic topic, other.create_topic("other"));
    ASSERT_OK(append(topic.partition(0), 50));
  }
  const auto untouched = test::directory_content(there);
  std::filesystem::current_path(here);
  {
    ASSERT_OK_AND_ASSIGN(Log log, Log::open("log", options()));
    ASSERT_OK_AND_ASSIGN(const Topic topic, log.create_topic("t"));
    ASSERT_OK_AND_ASSIGN(LogView view, LogView::open("log"));
    std::filesystem::current_path(there);
    EXPECT_OK(append(topic.partition(0), 100));
    EXPECT_OK(log.create_topic("late"));
    ASSERT_OK_AND_ASSIGN(const auto partitions, view.partitions());
    EXPECT_EQ(partitions.front().end, Offset{100});
    EXPECT_OK(log.close());
  }
  std::filesystem::current_path(before);
  EXPECT_THAT(test::changed_files(untouched, test::directory_content(there)), testing::IsEmpty());
  ASSERT_OK_AND_ASSIGN(const Log again, Log::open(here / "log", options()));
  EXPECT_EQ(count(again), 100U);
}

// A relative path in a directory that was removed threw an exception through the public interface.
TEST_P(LogPlaceTest, ARelativePathFromNowhereIsAnError) {
  const auto before = std::filesystem::current_path();
  const auto gone = directory_->path() / "gone";
  std::filesystem::create_directory(gone);
  std::filesystem::current_path(gone);
  std::filesystem::remove(gone);
  EXPECT_THAT(Log::open("log", options()), has_code(ErrorCode::kNotFound));
  EXPECT_THAT(LogView::open("log"), has_code(ErrorCode::kNotFound));
  std::filesystem::current_path(before);
}

// The writer went on by name, in the log that had been put there meanwhile.
TEST_P(LogPlaceTest, AMovedDirectoryIsNoticedBeforeAnythingIsWrittenByName) {
  auto opened = Log::open(path_, options());
  ASSERT_OK(opened);
  std::optional<Log> log(*std::move(opened));
  ASSERT_OK_AND_ASSIGN(const Topic topic, log->create_topic("t"));
  ASSERT_OK(append(topic.partition(0), 5));
  const auto moved = directory_->path() / "moved";
  std::filesystem::rename(path_, moved);
  EXPECT_THAT(log->create_topic("late"), has_code(ErrorCode::kClosed));
  {
    ASSERT_OK_AND_ASSIGN(Log other, Log::open(path_, options()));
    ASSERT_OK_AND_ASSIGN(const Topic theirs, other.create_topic("theirs"));
    ASSERT_OK(append(theirs.partition(0), 50));
    ASSERT_OK(other.close());
  }
  const auto untouched = test::directory_content(path_);
  std::uint64_t acknowledged = 5;
  Status appended;
  for (int i = 0; i < 200 && appended; ++i) {
    appended = append(topic.partition(0), 1);
    if (appended) ++acknowledged;
  }
  // It fits until the segment is full; a new one would have been made by name.
  EXPECT_THAT(appended, has_code(ErrorCode::kClosed));
  EXPECT_THAT(log->create_topic("later"), has_code(ErrorCode::kClosed));
  EXPECT_OK(topic.partition(0).truncate(Offset{acknowledged - 1}));
  EXPECT_OK(log->close());
  log.reset();
  EXPECT_THAT(test::changed_files(untouched, test::directory_content(path_)), testing::IsEmpty());
  ASSERT_OK_AND_ASSIGN(const Log again, Log::open(moved, options()));
  EXPECT_EQ(count(again), acknowledged);
}

// A child's create_topic replaced its parent's catalog: the parent's next topic was gone.
TEST_P(LogPlaceTest, AForkedChildCreatesNoTopics) {
  ASSERT_OK_AND_ASSIGN(Log log, Log::open(path_, options()));
  EXPECT_EQ(exit_status(fork_child([&] {
              if (!refused(log.create_topic("of_the_child"))) return 1;
              return refused(log.open_or_create_topic("of_the_child")) ? 0 : 2;
            })),
            0);
  ASSERT_OK_AND_ASSIGN(const Topic topic, log.create_topic("t"));
  ASSERT_OK(append(topic.partition(0), 3));
  ASSERT_OK(log.close());
  ASSERT_OK_AND_ASSIGN(const Log again, Log::open(path_, options()));
  EXPECT_EQ(again.topics().size(), 1U);
  EXPECT_EQ(count(again), 3U);
}

// The last pin on a truncated segment frees it; in a child, that wrote "free" into the header of a
// segment that the parent had let go of itself, and was using again.
TEST_P(LogPlaceTest, AForkedChildFreesNoSegments) {
  ASSERT_OK_AND_ASSIGN(Log log, Log::open(path_, options()));
  ASSERT_OK_AND_ASSIGN(const Topic topic, log.create_topic("t"));
  Partition partition = topic.partition(0);
  ASSERT_OK(append(partition, 50));
  auto read = partition.read(Offset{0});
  ASSERT_OK(read);
  std::optional<PinnedMessage> pin(*std::move(read));
  std::optional<PartitionReader> reader;
  {
    auto opened = partition.reader();
    ASSERT_OK(opened);
    reader.emplace(*std::move(opened));
    ASSERT_OK(reader->next());
  }
  ASSERT_OK(partition.truncate(Offset{49}));
  EXPECT_EQ(exit_status(fork_child([&] {
              const auto before = test::directory_content(path_);
              pin.reset();
              reader.reset();
              return test::changed_files(before, test::directory_content(path_)).empty() ? 0 : 1;
            })),
            0);
  pin.reset();
  reader.reset();
  ASSERT_OK(append(partition, 200));
  ASSERT_OK(log.close());
  ASSERT_OK_AND_ASSIGN(const Log again, Log::open(path_, options()));
  EXPECT_EQ(count(again), 250U);
}

// The lock of a partition that another thread held at the fork is held for ever in the child.
TEST_P(LogPlaceTest, AForkedChildDoesNotWaitForItsParentsThreads) {
  ASSERT_OK_AND_ASSIGN(Log log, Log::open(path_, options()));
  ASSERT_OK_AND_ASSIGN(const Topic topic, log.create_topic("t"));
  Partition partition = topic.partition(0);
  std::binary_semaphore claimed(0);
  std::binary_semaphore drop(0);
  std::thread holder([&] {
    const auto claim = partition.claim(100);
    EXPECT_TRUE(test::is_ok(claim));
    claimed.release();
    drop.acquire();
  });
  claimed.acquire();
  EXPECT_EQ(exit_status(fork_child([&] {
              const std::string text = "child";
              const std::vector<Message> batch = {{.value = as_bytes(text)}};
              if (!refused(partition.append({.value = as_bytes(text)}))) return 1;
              if (!refused(partition.append_batch(batch))) return 2;
              if (!refused(partition.claim(5))) return 3;
              if (!refused(partition.truncate(Offset{0}))) return 4;
              std::optional<Status> outcome;
              partition.on_durable(Offset{0}, [&](const Status& status) { outcome = status; });
              return outcome.has_value() && !*outcome ? 0 : 5;
            })),
            0);
  drop.release();
  holder.join();
  ASSERT_OK(partition.append({.value = as_bytes("parent")}));
}

// A directory with the segments of a log and without its superblock was no log to those who only
// look.
TEST_P(LogPlaceTest, AViewSaysThatTheSuperblockIsLost) {
  {
    ASSERT_OK_AND_ASSIGN(Log log, Log::open(path_, options()));
    ASSERT_OK_AND_ASSIGN(const Topic topic, log.create_topic("t"));
    ASSERT_OK(append(topic.partition(0), 1));
  }
  std::filesystem::remove(path_ / kSuperblockName);
  EXPECT_THAT(LogView::open(path_), has_code(ErrorCode::kCorruption));
}

// Two files that had changed places sent a view round and round.
TEST_P(LogPlaceTest, SegmentsThatChangedPlacesAreCorruption) {
  {
    ASSERT_OK_AND_ASSIGN(Log log, Log::open(path_, options()));
    ASSERT_OK_AND_ASSIGN(const Topic topic, log.create_topic("t"));
    ASSERT_OK(append(topic.partition(0), 100));
  }
  const auto files = test::lane_files(path_);
  const auto aside = directory_->path() / "aside";
  std::filesystem::rename(files[1].path, aside);
  std::filesystem::rename(files[2].path, files[1].path);
  std::filesystem::rename(aside, files[2].path);
  ASSERT_OK_AND_ASSIGN(LogView view, LogView::open(path_));
  EXPECT_THAT(view.reader("t", 0), has_code(ErrorCode::kCorruption));
  EXPECT_THAT(view.partitions(), has_code(ErrorCode::kCorruption));
}

}  // namespace
}  // namespace nacre
