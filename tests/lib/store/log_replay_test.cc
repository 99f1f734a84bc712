#include "lib/store/log_replay.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "lib/store/write_log.h"
#include "mmap/segment_format.h"
#include "tests/support/file_bytes.h"
#include "tests/support/result_matchers.h"
#include "tests/support/seed.h"
#include "tests/support/temp_directory.h"
#include "wal/lane_core.h"
#include "wal/lane_cursor.h"
#include "wal/lane_set.h"

namespace nacre::store {
namespace {

constexpr std::uint32_t kLanes = 3;
/// Every frame that is in the index of its segment begins a stretch.
constexpr std::size_t kSmallest = 1;
constexpr std::size_t kWholeSegments = kMinSegmentBytes;

/// A store's log of three lanes, each over some segments, whose records say what they are.
class LogReplayTest : public testing::Test {
 protected:
  using Records = std::map<Sequence, std::string>;

  void open(Executor& executor) {
    StoreOptions options{.segment_bytes = std::uint64_t{4} * kMinSegmentBytes,
                         .domain = DomainRequest::kEmulated};
    options.environment.executor = &executor;
    ASSERT_OK_AND_ASSIGN(set_, wal::LaneSet::open(path(), lane_set_options(options)));
  }
  void close() {
    ASSERT_OK(set_->close());
    set_.reset();
  }
  std::filesystem::path path() const { return directory_.path() / "store"; }

  void append(std::uint32_t lane, std::string text) {
    text.resize(3000, '.');
    ASSERT_OK_AND_ASSIGN(const Lsn lsn, set_->lane(lane).append({}, as_bytes(text), 0));
    written_.emplace(Sequence::of(lsn, lane), std::move(text));
  }
  /// Each third record goes to the next lane, and some lanes have more than others.
  void fill() {
    append(kManifestLane, "an edit of the manifest");
    written_.clear();
    for (int i = 0; i < 600; ++i) {
      append(kManifestLane + 1 + static_cast<std::uint32_t>(i) / 3 % kLanes,
             "record " + std::to_string(i) + ",");
    }
    for (int i = 0; i < 100; ++i) append(kManifestLane + 2, "more " + std::to_string(i) + ",");
  }
  /// The file and the place in it at which a record lies.
  std::pair<std::filesystem::path, std::uint64_t> find(const std::string& text) const {
    for (const auto& entry : std::filesystem::directory_iterator(path() / "segments")) {
      const std::size_t at = test::file_content(entry.path()).find(text);
      if (at != std::string::npos) return {entry.path(), at};
    }
    ADD_FAILURE() << "no segment holds " << text;
    return {};
  }

  Result<std::uint64_t> replay(Executor& executor, std::size_t stretch_bytes, Records& found,
                               Lsn above = {}) {
    std::mutex mutex;
    return replay_log(
        *set_, above, executor,
        [&](const ReplayedRecord& one) -> Status {
          const std::lock_guard lock(mutex);
          const bool is_new = found.emplace(one.sequence, std::string(as_text(one.record))).second;
          EXPECT_TRUE(is_new) << one.sequence.value;
          return {};
        },
        stretch_bytes);
  }

  const test::TempDirectory directory_ = test::TempDirectory::on_tmpfs();
  wal::LaneSetHandle set_;
  Records written_;
};

TEST_F(LogReplayTest, VisitsEachRecordOnceInWhicheverOrderTasksRun) {
  DeterministicExecutor opening(1);
  open(opening);
  fill();
  close();
  open(opening);
  const Lsn middle = std::next(written_.begin(), 333)->first.lsn();
  Records behind = written_;
  std::erase_if(behind, [&](const auto& one) { return one.first.lsn() <= middle; });
  for (const std::size_t stretch_bytes : {kSmallest, kWholeSegments, kStretchBytes}) {
    for (std::uint64_t i = 0; i < 10; ++i) {
      DeterministicExecutor executor(test::seed() + i);
      Records found;
      ASSERT_OK_AND_ASSIGN(const std::uint64_t count, replay(executor, stretch_bytes, found));
      EXPECT_EQ(count, written_.size());
      ASSERT_TRUE(found == written_) << "stretches of " << stretch_bytes;
      found.clear();
      ASSERT_OK_AND_ASSIGN(const std::uint64_t rest,
                           replay(executor, stretch_bytes, found, middle));
      EXPECT_EQ(rest, behind.size());
      ASSERT_TRUE(found == behind) << "stretches of " << stretch_bytes;
    }
  }
  close();
}

TEST_F(LogReplayTest, ThreadsVisitSideBySide) {
  ASSERT_OK_AND_ASSIGN(const auto threads, ThreadPool::create(4));
  open(*threads);
  fill();
  close();
  open(*threads);
  for (int round = 0; round < 20; ++round) {
    Records found;
    ASSERT_OK_AND_ASSIGN(const std::uint64_t count, replay(*threads, kSmallest, found));
    EXPECT_EQ(count, written_.size());
    ASSERT_TRUE(found == written_);
  }
  close();
}

// The bytes of a record are there as long as the last pin that was shown before it.
TEST_F(LogReplayTest, ShowsThePinOfEachRecord) {
  DeterministicExecutor executor(test::seed());
  open(executor);
  fill();
  close();
  open(executor);
  std::vector<SegmentPin> pins;
  std::vector<Bytes> records;
  ASSERT_OK(replay_log(
      *set_, {}, executor,
      [&](const ReplayedRecord& one) -> Status {
        if (!one.pin_was_shown) pins.push_back(one.pin);
        const auto holds = [&](const SegmentPin& pin) {
          return one.record.data() >= pin.bytes.data() &&
                 one.record.data() + one.record.size() <= pin.bytes.data() + pin.bytes.size();
        };
        EXPECT_TRUE(std::ranges::any_of(pins, holds));
        records.push_back(one.record);
        return {};
      },
      kSmallest));
  EXPECT_LT(pins.size(), records.size() / 10);
  close();
  for (const Bytes record : records) EXPECT_EQ(as_text(record).size(), 3000U);
}

TEST_F(LogReplayTest, TellsTheErrorThatGoingFromLaneToLaneMeetsFirst) {
  DeterministicExecutor opening(1);
  open(opening);
  fill();
  close();
  open(opening);
  // Found good when the log was opened, and rotten a moment later: each lane, and the first twice.
  for (const char* text : {"record 306,", "record 452,", "record 14,", "record 6,"}) {
    const auto [file, offset] = find(text);
    test::flip_bit(file, offset);
  }
  const auto& first_lane = set_->lane(kManifestLane + 1);
  ASSERT_OK_AND_ASSIGN(const auto cursor, wal::LaneCursor::open(first_lane.segments(), {}));
  Result<bool> next = cursor->next();
  while (next && *next) next = cursor->next();
  ASSERT_THAT(next, test::has_code(ErrorCode::kCorruption));
  for (std::uint64_t i = 0; i < 40; ++i) {
    DeterministicExecutor executor(test::seed() + i);
    Records found;
    const auto replayed = replay(executor, kSmallest, found);
    ASSERT_THAT(replayed, test::has_code(ErrorCode::kCorruption));
    ASSERT_EQ(replayed.error().to_string(), next.error().to_string());
  }
  close();
}

TEST_F(LogReplayTest, AnErrorOfTheVisitorEndsIt) {
  DeterministicExecutor opening(1);
  open(opening);
  fill();
  close();
  open(opening);
  for (std::uint64_t i = 0; i < 20; ++i) {
    DeterministicExecutor executor(test::seed() + i);
    const auto replayed = replay_log(
        *set_, {}, executor,
        [](const ReplayedRecord& one) -> Status {
          return Error(ErrorCode::kIo, std::string(as_text(one.record).substr(0, 20)));
        },
        kSmallest);
    ASSERT_THAT(replayed, test::has_code(ErrorCode::kIo));
    EXPECT_EQ(replayed.error().message(), "record 0,...........");
  }
  close();
}

TEST_F(LogReplayTest, ALogWithoutWritesHasNothingToVisit) {
  DeterministicExecutor executor(1);
  open(executor);
  Records found;
  ASSERT_OK_AND_ASSIGN(const std::uint64_t none, replay(executor, kSmallest, found));
  EXPECT_EQ(none, 0U);
  close();
}

}  // namespace
}  // namespace nacre::store
