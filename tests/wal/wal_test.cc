#include "nacre/wal.h"

#include <gtest/gtest.h>

#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "nacre/executor.h"
#include "nacre/random.h"
#include "tests/support/file_bytes.h"
#include "tests/support/result_matchers.h"
#include "tests/support/seed.h"
#include "tests/wal/wal_domain.h"

namespace nacre {
namespace {

using test::has_code;
using test::LogPlace;

constexpr std::uint64_t kSmallSegment = std::uint64_t{64} << 10;

std::string record_text(std::uint64_t number, std::size_t bytes) {
  std::string text = "record " + std::to_string(number) + " ";
  while (text.size() < bytes) text += static_cast<char>('a' + (number + text.size()) % 26);
  text.resize(bytes);
  return text;
}

class WalTest : public testing::TestWithParam<LogPlace> {
 protected:
  WalOptions options(std::uint32_t lanes = 1, std::uint64_t segment_bytes = kSmallSegment) const {
    return {.lanes = lanes,
            .segment_bytes = segment_bytes,
            .spare_segments = 1,
            .domain = test::domain_of(GetParam()),
            .overwrite_protection = test::is_protected(GetParam()),
            .environment = {}};
  }
  std::filesystem::path path() const { return directory_->path() / "wal"; }

  static std::vector<std::string> contents(const Wal& wal) {
    std::vector<std::string> all;
    Lsn last;
    const Status replayed = wal.replay([&](std::uint32_t, const RecordView& record) {
      EXPECT_GE(record.lsn, last);
      last = record.lsn;
      all.emplace_back(as_text(record.payload));
      return Status();
    });
    EXPECT_TRUE(test::is_ok(replayed));
    return all;
  }

  std::unique_ptr<test::TempDirectory> directory_ = test::directory_for(GetParam());
};

TEST_P(WalTest, TellsItsDomainAndWhatItSurvives) {
  ASSERT_OK_AND_ASSIGN(Wal wal, Wal::open(path(), options()));
  const bool block = GetParam() == LogPlace::kBlock;
  // Where the temporary directory is persistent memory, it is used as that.
  EXPECT_EQ(wal.domain().kind == DomainKind::kEmulated, !block);
  EXPECT_EQ(wal.domain().survives_power_loss, block);
  EXPECT_FALSE(wal.domain().reason.empty());
}

TEST_P(WalTest, TellsWhatItsBlocksGoThrough) {
  WalOptions with_posix = options();
  with_posix.io_engine = IoEngine::kPosix;
  ASSERT_OK_AND_ASSIGN(Wal wal, Wal::open(path(), with_posix));
  ASSERT_OK(wal.lane(0).append(as_bytes("one")));
  const std::string counted = "nacre_io_requests_total{class=\"log\"} 1\n";
  if (wal.domain().kind == DomainKind::kBlock) {
    ASSERT_NE(wal.io(), nullptr);
    EXPECT_EQ(wal.io()->name, "posix");
    EXPECT_THAT(wal.metrics(), testing::HasSubstr(counted));
  } else {
    EXPECT_EQ(wal.io(), nullptr);
    EXPECT_THAT(wal.metrics(), testing::Not(testing::HasSubstr("nacre_io_")));
  }
}

TEST_P(WalTest, ReadsBackWhatWasAppendedAlsoAfterReopening) {
  std::vector<std::string> written;
  for (int round = 0; round < 3; ++round) {
    ASSERT_OK_AND_ASSIGN(Wal wal, Wal::open(path(), options()));
    EXPECT_EQ(contents(wal), written);
    for (std::size_t bytes : {1U, 39U, 40U, 41U, 63U, 64U, 65U, 4000U, 4096U, 20000U}) {
      written.push_back(record_text(written.size(), bytes));
      ASSERT_OK_AND_ASSIGN(const Lsn lsn, wal.lane(0).append(as_bytes(written.back())));
      EXPECT_EQ(lsn.value, written.size());
      EXPECT_EQ(wal.lane(0).durable_lsn(), lsn);
    }
    EXPECT_EQ(contents(wal), written);
    ASSERT_OK(wal.close());
  }
}

TEST_P(WalTest, ReopensWithoutCloseAsAfterAKill) {
  std::vector<std::string> written;
  std::filesystem::path place = path();
  WalOptions without_spares = options();
  without_spares.spare_segments = 0;  // One in the making may get its name amid the copy.
  for (int life = 0; life < 4; ++life) {
    ASSERT_OK_AND_ASSIGN(Wal wal, Wal::open(place, without_spares));
    EXPECT_EQ(wal.recovery().clean_shutdown, life == 0);
    EXPECT_EQ(wal.recovery().torn_tails, 0U);
    EXPECT_EQ(contents(wal), written);
    for (int i = 0; i < 7; ++i) {
      written.push_back(record_text(written.size(), 100));
      ASSERT_OK(wal.lane(0).append(as_bytes(written.back())));
    }
    // What a kill leaves: the files as they are while the log is open.
    const std::filesystem::path next = directory_->path() / ("life" + std::to_string(life));
    test::copy_log(place, next);
    place = next;
  }
}

TEST_P(WalTest, KeepsTheTagOfEachRecord) {
  ASSERT_OK_AND_ASSIGN(Wal wal, Wal::open(path(), options()));
  ASSERT_OK(wal.lane(0).append(as_bytes("a"), 7));
  const std::vector<Bytes> batch = {as_bytes("b"), as_bytes("c")};
  ASSERT_OK(wal.lane(0).append_batch(batch, 9));
  std::vector<std::uint16_t> tags;
  ASSERT_OK(wal.replay([&](std::uint32_t, const RecordView& record) {
    tags.push_back(record.tag);
    return Status();
  }));
  EXPECT_EQ(tags, (std::vector<std::uint16_t>{7, 9, 9}));
}

TEST_P(WalTest, RotatesThroughManySegmentsAndRecyclesTruncatedOnes) {
  ASSERT_OK_AND_ASSIGN(Wal wal, Wal::open(path(), options()));
  std::uint64_t newest = 0;
  for (int i = 0; i < 600; ++i) {
    ASSERT_OK_AND_ASSIGN(const Lsn lsn,
                         wal.lane(0).append(as_bytes(record_text(newest + 1, 1500))));
    newest = lsn.value;
    if (newest % 50 == 0) {
      ASSERT_OK(wal.truncate(Lsn{newest - 20}));
    }
  }
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(path() / "segments")) {
    files += entry.is_regular_file() ? 1 : 0;
  }
  EXPECT_LT(files, 12U) << "truncated segments are used again";
  const auto left = contents(wal);
  ASSERT_GE(left.size(), 20U);
  EXPECT_EQ(left.back(), record_text(newest, 1500));
  ASSERT_OK(wal.close());
  ASSERT_OK_AND_ASSIGN(Wal again, Wal::open(path(), options()));
  EXPECT_EQ(contents(again), left);
}

TEST_P(WalTest, TruncationIsRememberedAndReadersAreTold) {
  std::vector<std::string> left;
  {
    ASSERT_OK_AND_ASSIGN(Wal wal, Wal::open(path(), options()));
    for (int i = 1; i <= 200; ++i) {
      ASSERT_OK(wal.lane(0).append(as_bytes(record_text(static_cast<std::uint64_t>(i), 2000))));
    }
    ASSERT_OK(wal.truncate(Lsn{150}));
    left = contents(wal);
    ASSERT_LT(left.size(), 120U);
    EXPECT_THAT(wal.lane(0).reader(Lsn{1}), has_code(ErrorCode::kNotFound));
    ASSERT_OK_AND_ASSIGN(LaneReader reader, wal.lane(0).reader(Lsn{150}));
    ASSERT_OK_AND_ASSIGN(const bool there, reader.next());
    ASSERT_TRUE(there);
    EXPECT_EQ(reader.record().lsn, Lsn{150});
  }
  ASSERT_OK_AND_ASSIGN(Wal wal, Wal::open(path(), options()));
  EXPECT_EQ(contents(wal), left);
}

TEST_P(WalTest, AReaderKeepsItsRecordAcrossTruncation) {
  ASSERT_OK_AND_ASSIGN(Wal wal, Wal::open(path(), options()));
  for (std::uint64_t i = 1; i <= 100; ++i) {
    ASSERT_OK(wal.lane(0).append(as_bytes(record_text(i, 2000))));
  }
  ASSERT_OK_AND_ASSIGN(LaneReader reader, wal.lane(0).reader());
  ASSERT_OK_AND_ASSIGN(const bool there, reader.next());
  ASSERT_TRUE(there);
  ASSERT_OK(wal.truncate(Lsn{100}));
  // The segment is given up, but not written over while somebody reads it.
  for (std::uint64_t i = 101; i <= 300; ++i) {
    ASSERT_OK(wal.lane(0).append(as_bytes(record_text(i, 2000))));
  }
  EXPECT_EQ(as_text(reader.record().payload), record_text(1, 2000));
}

TEST_P(WalTest, BatchesAreReadAsTheirRecords) {
  ASSERT_OK_AND_ASSIGN(Wal wal, Wal::open(path(), options()));
  std::vector<std::string> expected;
  for (std::size_t count : {1U, 2U, 32U, 300U}) {
    std::vector<std::string> texts;
    for (std::size_t i = 0; i < count; ++i) texts.push_back(record_text(i, 1 + i % 90));
    std::vector<Bytes> batch;
    for (const auto& text : texts) batch.push_back(as_bytes(text));
    ASSERT_OK_AND_ASSIGN(const Lsn last, wal.lane(0).append_batch(batch));
    expected.insert(expected.end(), texts.begin(), texts.end());
    EXPECT_EQ(last.value, expected.size());
  }
  EXPECT_EQ(contents(wal), expected);
  ASSERT_OK_AND_ASSIGN(LaneReader reader, wal.lane(0).reader(Lsn{20}));
  ASSERT_OK_AND_ASSIGN(const bool there, reader.next());
  ASSERT_TRUE(there);
  EXPECT_EQ(reader.record().lsn, Lsn{20});
  EXPECT_EQ(as_text(reader.record().payload), expected[19]);
}

TEST_P(WalTest, TicketsAndCallbacksCompleteInOrder) {
  ASSERT_OK_AND_ASSIGN(Wal wal, Wal::open(path(), options()));
  Lane lane = wal.lane(0);
  std::mutex mutex;
  std::vector<std::uint64_t> completed;
  Lsn last;
  for (std::uint64_t i = 1; i <= 500; ++i) {
    ASSERT_OK_AND_ASSIGN(last, lane.submit(as_bytes(record_text(i, 200))));
    lane.on_durable(last, [&, lsn = last](Status status) {
      EXPECT_TRUE(test::is_ok(status));
      EXPECT_GE(lane.durable_lsn(), lsn);
      const std::lock_guard lock(mutex);
      completed.push_back(lsn.value);
    });
  }
  ASSERT_OK(lane.wait(last));
  ASSERT_OK(wal.close());
  const std::lock_guard lock(mutex);
  ASSERT_EQ(completed.size(), 500U);
  EXPECT_TRUE(std::ranges::is_sorted(completed));
}

TEST_P(WalTest, SubmittedRecordsBecomeDurableWithoutAWaiter) {
  ASSERT_OK_AND_ASSIGN(Wal wal, Wal::open(path(), options()));
  std::mutex mutex;
  std::condition_variable done;
  bool durable = false;
  ASSERT_OK_AND_ASSIGN(const Lsn lsn, wal.lane(0).submit(as_bytes("alone")));
  wal.lane(0).on_durable(lsn, [&](Status) {
    const std::lock_guard lock(mutex);
    durable = true;
    done.notify_all();
  });
  std::unique_lock lock(mutex);
  done.wait(lock, [&] { return durable; });
}

TEST_P(WalTest, WaitingForAnLsnNeverHandedOutIsRefused) {
  ASSERT_OK_AND_ASSIGN(Wal wal, Wal::open(path(), options()));
  EXPECT_THAT(wal.lane(0).wait(Lsn{1}), has_code(ErrorCode::kInvalidArgument));
  Status seen;
  wal.lane(0).on_durable(Lsn{5}, [&](Status status) { seen = status; });
  EXPECT_THAT(seen, has_code(ErrorCode::kInvalidArgument));
}

TEST_P(WalTest, ClaimsAreBuiltInPlace) {
  ASSERT_OK_AND_ASSIGN(Wal wal, Wal::open(path(), options()));
  Lane lane = wal.lane(0);
  ASSERT_OK(lane.append(as_bytes("before")));
  {
    ASSERT_OK_AND_ASSIGN(Claim claim, lane.claim(1000));
    ASSERT_EQ(claim.payload().size(), 1000U);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(claim.payload().data()) % 8, 0U);
    EXPECT_THAT(lane.append(as_bytes("no")), has_code(ErrorCode::kInvalidArgument));
    EXPECT_THAT(lane.claim(1), has_code(ErrorCode::kInvalidArgument));
    EXPECT_THAT(claim.commit(1001), has_code(ErrorCode::kInvalidArgument));
    EXPECT_THAT(claim.commit(0), has_code(ErrorCode::kInvalidArgument));
    std::memcpy(claim.payload().data(), "in place", 8);
    ASSERT_OK_AND_ASSIGN(const Lsn lsn, claim.commit(8, 3));
    EXPECT_EQ(lsn, Lsn{2});
    EXPECT_THAT(claim.commit(8), has_code(ErrorCode::kInvalidArgument));
  }
  {
    ASSERT_OK_AND_ASSIGN(Claim dropped, lane.claim(5000));
    std::memset(dropped.payload().data(), 'x', 5000);
  }
  ASSERT_OK(lane.append(as_bytes("after")));
  EXPECT_EQ(contents(wal), (std::vector<std::string>{"before", "in place", "after"}));
  ASSERT_OK(wal.close());
  ASSERT_OK_AND_ASSIGN(Wal again, Wal::open(path(), options()));
  EXPECT_EQ(contents(again), (std::vector<std::string>{"before", "in place", "after"}));
}

// Assigning swapped the two: the old claim lived on in the object that was moved from, and kept its
// lane from taking anything for as long as that one stayed around.
TEST_P(WalTest, AssigningToAClaimDropsTheOldOneAtOnce) {
  ASSERT_OK_AND_ASSIGN(Wal wal, Wal::open(path(), options(2)));
  ASSERT_OK_AND_ASSIGN(Claim claim, wal.lane(0).claim(100));
  ASSERT_OK_AND_ASSIGN(Claim next, wal.lane(1).claim(200));
  claim = std::move(next);
  EXPECT_OK(wal.lane(0).append(as_bytes("free again")));
  EXPECT_THAT(wal.lane(1).append(as_bytes("x")), has_code(ErrorCode::kInvalidArgument));
  EXPECT_TRUE(next.payload().empty());  // NOLINT(bugprone-use-after-move)
  EXPECT_THAT(next.commit(1), has_code(ErrorCode::kInvalidArgument));
  ASSERT_EQ(claim.payload().size(), 200U);
  std::memcpy(claim.payload().data(), "moved", 5);
  ASSERT_OK(claim.commit(5));
  EXPECT_TRUE(claim.payload().empty()) << "a committed record is not written to any more";
  EXPECT_EQ(contents(wal), (std::vector<std::string>{"free again", "moved"}));
}

// Closing lets the next writer in. It went ahead beside an open claim, whose owner could then go on
// writing into bytes in which the next writer had acknowledged records.
TEST_P(WalTest, ClosingWithAnOpenClaimIsRefusedAndLeavesTheWalOpen) {
  ASSERT_OK_AND_ASSIGN(Wal wal, Wal::open(path(), options(2)));
  {
    ASSERT_OK_AND_ASSIGN(Claim claim, wal.lane(1).claim(100));
    const Status closed = wal.close();
    ASSERT_THAT(closed, has_code(ErrorCode::kInvalidArgument));
    EXPECT_NE(closed.error().message().find("lane 1"), std::string::npos);
    EXPECT_THAT(Wal::open(path(), options(2)), has_code(ErrorCode::kBusy));
    ASSERT_OK(wal.lane(0).append(as_bytes("still open")));
    std::memcpy(claim.payload().data(), "claimed", 7);
    ASSERT_OK(claim.commit(7));
  }
  ASSERT_OK(wal.close());
  ASSERT_OK_AND_ASSIGN(Wal again, Wal::open(path(), options(2)));
  EXPECT_EQ(contents(again), (std::vector<std::string>{"still open", "claimed"}));
}

TEST_P(WalTest, AClaimCanBeAssignedToItself) {
  ASSERT_OK_AND_ASSIGN(Wal wal, Wal::open(path(), options()));
  ASSERT_OK_AND_ASSIGN(Claim claim, wal.lane(0).claim(10));
  Claim& same = claim;
  claim = std::move(same);
  std::memcpy(claim.payload().data(), "kept", 4);
  EXPECT_OK(claim.commit(4));
}

TEST_P(WalTest, ClaimsBehindUnwrittenRecordsAndAcrossRotation) {
  ASSERT_OK_AND_ASSIGN(Wal wal, Wal::open(path(), options()));
  Lane lane = wal.lane(0);
  std::vector<std::string> expected;
  for (std::uint64_t i = 0; i < 60; ++i) {
    expected.push_back(record_text(i, 700));
    ASSERT_OK(lane.submit(as_bytes(expected.back())));
    ASSERT_OK_AND_ASSIGN(Claim claim, lane.claim(3000));
    expected.push_back(record_text(i, 2900));
    std::memcpy(claim.payload().data(), expected.back().data(), expected.back().size());
    ASSERT_OK(claim.commit(expected.back().size()));
  }
  EXPECT_EQ(contents(wal), expected);
}

TEST_P(WalTest, RefusesEmptyAndOversizedRecords) {
  ASSERT_OK_AND_ASSIGN(Wal wal, Wal::open(path(), options()));
  Lane lane = wal.lane(0);
  EXPECT_THAT(lane.append({}), has_code(ErrorCode::kInvalidArgument));
  EXPECT_THAT(lane.claim(0), has_code(ErrorCode::kInvalidArgument));
  EXPECT_THAT(lane.append_batch({}), has_code(ErrorCode::kInvalidArgument));
  const std::string largest = record_text(1, lane.max_payload());
  EXPECT_THAT(lane.append(as_bytes(largest + "x")), has_code(ErrorCode::kInvalidArgument));
  EXPECT_THAT(lane.claim(lane.max_payload() + 1), has_code(ErrorCode::kInvalidArgument));
  const std::vector<Bytes> batch = {as_bytes(largest), as_bytes("x")};
  EXPECT_THAT(lane.append_batch(batch), has_code(ErrorCode::kInvalidArgument));
  ASSERT_OK(lane.append(as_bytes(largest)));
  ASSERT_OK(lane.append(as_bytes(largest)));
  EXPECT_EQ(contents(wal), (std::vector<std::string>{largest, largest}));
}

TEST_P(WalTest, TakesRecordsOf16MiB) {
  WalOptions big = options(1, std::uint64_t{64} << 20);
  big.spare_segments = 0;
  ASSERT_OK_AND_ASSIGN(Wal wal, Wal::open(path(), big));
  EXPECT_EQ(wal.lane(0).max_payload(), kMaxRecordBytes);
  std::vector<std::string> expected;
  for (std::uint64_t i = 0; i < 5; ++i) {
    expected.push_back(record_text(i, kMaxRecordBytes - i * 37));
    ASSERT_OK(wal.lane(0).append(as_bytes(expected.back())));
  }
  EXPECT_TRUE(contents(wal) == expected);
  ASSERT_OK(wal.close());
  ASSERT_OK_AND_ASSIGN(Wal again, Wal::open(path(), big));
  EXPECT_TRUE(contents(again) == expected);
}

TEST_P(WalTest, LanesMergeByLsn) {
  constexpr std::uint32_t kLanes = 4;
  std::map<std::uint64_t, std::string> expected;
  {
    ASSERT_OK_AND_ASSIGN(Wal wal, Wal::open(path(), options(kLanes)));
    SeededRandom random(test::seed());
    for (std::uint64_t i = 0; i < 400; ++i) {
      const auto lane = static_cast<std::uint32_t>(uniform_below(random, kLanes));
      const std::string text = record_text(i, 1 + uniform_below(random, 900));
      ASSERT_OK_AND_ASSIGN(const Lsn lsn, wal.lane(lane).append(as_bytes(text)));
      ASSERT_TRUE(expected.emplace(lsn.value, text).second);
      // An append that follows an acknowledged one, on whatever lane, comes after it.
      ASSERT_EQ(expected.rbegin()->first, lsn.value);
    }
    ASSERT_OK(wal.close());
  }
  ASSERT_OK_AND_ASSIGN(Wal wal, Wal::open(path(), options(kLanes)));
  auto next = expected.begin();
  ASSERT_OK(wal.replay([&](std::uint32_t, const RecordView& record) {
    EXPECT_EQ(record.lsn.value, next->first);
    EXPECT_EQ(as_text(record.payload), next->second);
    ++next;
    return Status();
  }));
  EXPECT_EQ(next, expected.end());
  // New LSNs go on above all the old ones.
  ASSERT_OK_AND_ASSIGN(const Lsn lsn, wal.lane(1).append(as_bytes("later")));
  EXPECT_GT(lsn.value, expected.rbegin()->first);
  EXPECT_THAT(Wal::open(directory_->path() / "other", options(0)),
              has_code(ErrorCode::kInvalidArgument));
}

TEST_P(WalTest, MoreLanesMayBeAskedForLaterButNotFewer) {
  {
    ASSERT_OK_AND_ASSIGN(Wal wal, Wal::open(path(), options(2)));
    ASSERT_OK(wal.lane(0).append(as_bytes("zero")));
    ASSERT_OK(wal.lane(1).append(as_bytes("one")));
  }
  EXPECT_THAT(Wal::open(path(), options(1)), has_code(ErrorCode::kInvalidArgument));
  ASSERT_OK_AND_ASSIGN(Wal wal, Wal::open(path(), options(3)));
  ASSERT_OK(wal.lane(2).append(as_bytes("two")));
  EXPECT_EQ(contents(wal), (std::vector<std::string>{"zero", "one", "two"}));
}

TEST_P(WalTest, LanesRunInParallelAndReadersFollowThem) {
  constexpr std::uint32_t kLanes = 3;
  constexpr std::uint64_t kRecords = 400;
  ASSERT_OK_AND_ASSIGN(Wal wal, Wal::open(path(), options(kLanes)));
  std::vector<std::thread> threads;
  for (std::uint32_t i = 0; i < kLanes; ++i) {
    threads.emplace_back([&wal, i] {
      for (std::uint64_t n = 0; n < kRecords; ++n) {
        const auto lsn = wal.lane(i).append(as_bytes(record_text(n, 300)));
        ASSERT_TRUE(test::is_ok(lsn));
      }
    });
    threads.emplace_back([&wal, i] {
      auto reader = wal.lane(i).reader();
      ASSERT_TRUE(test::is_ok(reader));
      for (std::uint64_t n = 0; n < kRecords;) {
        const auto more = reader->next();
        ASSERT_TRUE(test::is_ok(more));
        if (!*more) {
          std::this_thread::yield();
          continue;
        }
        ASSERT_EQ(as_text(reader->record().payload), record_text(n, 300));
        ++n;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(contents(wal).size(), kLanes * kRecords);
}

TEST_P(WalTest, AppendsAfterCloseAreRefused) {
  ASSERT_OK_AND_ASSIGN(Wal wal, Wal::open(path(), options()));
  Lane lane = wal.lane(0);
  ASSERT_OK(lane.append(as_bytes("last")));
  ASSERT_OK(wal.close());
  ASSERT_OK(wal.close());
  EXPECT_THAT(lane.append(as_bytes("late")), has_code(ErrorCode::kClosed));
  EXPECT_THAT(lane.submit(as_bytes("late")), has_code(ErrorCode::kClosed));
  EXPECT_THAT(lane.claim(4), has_code(ErrorCode::kClosed));
}

TEST_P(WalTest, ASecondWriterIsRefusedUntilTheFirstIsGone) {
  ASSERT_OK_AND_ASSIGN(Wal wal, Wal::open(path(), options()));
  const auto second = Wal::open(path(), options());
  ASSERT_THAT(second, has_code(ErrorCode::kBusy));
  EXPECT_NE(second.error().to_string().find(std::to_string(::getpid())), std::string::npos);
  ASSERT_OK(wal.close());
  ASSERT_OK(Wal::open(path(), options()));
}

TEST_P(WalTest, RandomOperationsMatchAModelAcrossReopens) {
  SeededRandom random(test::seed());
  std::vector<std::string> model;
  for (int life = 0; life < 12; ++life) {
    ASSERT_OK_AND_ASSIGN(Wal wal, Wal::open(path(), options()));
    ASSERT_EQ(contents(wal), model);
    Lane lane = wal.lane(0);
    for (int operation = 0; operation < 40; ++operation) {
      const auto text = [&] { return record_text(model.size(), 1 + uniform_below(random, 5000)); };
      switch (uniform_below(random, 4)) {
        case 0: {
          std::vector<std::string> texts;
          for (std::uint64_t i = 0; i <= uniform_below(random, 5); ++i) texts.push_back(text());
          std::vector<Bytes> batch;
          for (const auto& one : texts) batch.push_back(as_bytes(one));
          ASSERT_OK(lane.append_batch(batch));
          model.insert(model.end(), texts.begin(), texts.end());
          break;
        }
        case 1: {
          model.push_back(text());
          ASSERT_OK_AND_ASSIGN(Claim claim, lane.claim(model.back().size() + 100));
          std::memcpy(claim.payload().data(), model.back().data(), model.back().size());
          ASSERT_OK(claim.commit(model.back().size()));
          break;
        }
        case 2:
          model.push_back(text());
          ASSERT_OK(lane.submit(as_bytes(model.back())));
          break;
        default:
          model.push_back(text());
          ASSERT_OK(lane.append(as_bytes(model.back())));
      }
    }
    if (uniform_below(random, 2) == 0) {
      ASSERT_OK(wal.close());
    }
  }
}

TEST(WalDeathTest, WhatWasMovedFromOrCannotBeCalledIsAProgrammersError) {
  test::TempDirectory directory;
  DeterministicExecutor executor(1);  // Without threads, beside which a fork is unsafe.
  const WalOptions options{.segment_bytes = kSmallSegment,
                           .domain = DomainRequest::kEmulated,
                           .environment = {.executor = &executor}};
  ASSERT_OK_AND_ASSIGN(Wal wal, Wal::open(directory.path() / "wal", options));
  Lane lane = wal.lane(0);
  ASSERT_OK_AND_ASSIGN(LaneReader reader, lane.reader());
  const LaneReader taken = std::move(reader);
  // NOLINTBEGIN(bugprone-use-after-move)
  EXPECT_DEATH(static_cast<void>(reader.next()), "this LaneReader was moved from");
  EXPECT_DEATH(static_cast<void>(reader.record()), "this LaneReader was moved from");
  EXPECT_DEATH(lane.on_durable(Lsn{1}, nullptr), "on_durable needs a callback");
  const Wal moved = std::move(wal);
  EXPECT_DEATH(static_cast<void>(wal.lane(0)), "this Wal was moved from");
  EXPECT_DEATH(static_cast<void>(wal.close()), "this Wal was moved from");
  // NOLINTEND(bugprone-use-after-move)
}

INSTANTIATE_TEST_SUITE_P(Domains, WalTest,
                         testing::ValuesIn(test::and_protected({LogPlace::kBlock,
                                                                LogPlace::kEmulatedInMemory,
                                                                LogPlace::kEmulatedOnDisk})),
                         test::place_name);

TEST_P(WalTest, MetricsTellWhereEachLaneStands) {
  ASSERT_OK_AND_ASSIGN(Wal wal, Wal::open(path(), options(2)));
  ASSERT_OK_AND_ASSIGN(const Lsn lsn, wal.lane(1).append(as_bytes("x")));
  const std::string text = wal.metrics();
  const auto has = [&](const std::string& line) { return text.find(line) != std::string::npos; };
  EXPECT_TRUE(has("nacre_lane_durable_lsn{lane=\"0\"} 0\n")) << text;
  EXPECT_TRUE(has("nacre_lane_durable_lsn{lane=\"1\"} " + std::to_string(lsn.value) + "\n"))
      << text;
  EXPECT_TRUE(has("nacre_lane_segments{lane=\"1\"} 1\n")) << text;
  EXPECT_TRUE(
      has("nacre_domain_info{domain=\"" + std::string(domain_name(wal.domain().kind)) + "\""))
      << text;
}

}  // namespace
}  // namespace nacre
