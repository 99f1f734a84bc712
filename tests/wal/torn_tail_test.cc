// What a crash leaves behind the last acknowledged record, and how recovery cuts it off.

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "nacre/random.h"
#include "tests/support/seed.h"
#include "tests/wal/frame_builder.h"
#include "tests/wal/recovery_fixture.h"

namespace nacre::wal {
namespace {

using test::flip_bit;
using test::lane_files;
using test::LogPlace;
using test::poke;
using test::text_of;
using test::texts;

class RecoveryTest : public test::RecoveryFixture {};

INSTANTIATE_TEST_SUITE_P(Domain, RecoveryTest,
                         testing::Values(LogPlace::kBlock, LogPlace::kEmulatedInMemory),
                         test::place_name);

std::vector<std::string> operator+(std::vector<std::string> left,
                                   const std::vector<std::string>& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

TEST_P(RecoveryTest, ATornTailIsCutOffAndReported) {
  ASSERT_OK_AND_ASSIGN(Wal wal, try_open());
  append(wal, 1, 3);
  crash(std::move(wal));
  damage(3);
  {
    ASSERT_OK_AND_ASSIGN(Wal again, try_open());
    EXPECT_EQ(contents(again), texts(1, 2));
    EXPECT_EQ(again.recovery().torn_tails, 1U);
    EXPECT_EQ(again.recovery().records, 2U);
    EXPECT_FALSE(again.recovery().clean_shutdown);
    append(again, 4, 4);
  }
  ASSERT_OK_AND_ASSIGN(const Wal last, try_open());
  EXPECT_EQ(contents(last), texts(1, 2) + texts(4, 4));
  EXPECT_TRUE(last.recovery().clean_shutdown);
  EXPECT_EQ(last.recovery().torn_tails, 0U);
}

// The log holds 1, and a device write of 2, 3 and 4 of which 2 never arrived. When a record of the
// same size takes the place of 2, the frames of 3 and 4 would follow it without a gap.
TEST_P(RecoveryTest, WhatLayBehindATornRecordNeverComesBack) {
  ASSERT_OK_AND_ASSIGN(Wal wal, try_open());
  append(wal, 1, 4);
  crash(std::move(wal));
  const test::SegmentFile file = newest();
  const std::uint32_t seed = record_seed(file.state);
  const std::size_t place = frame_of(2).offset;
  // Written again as one write would have left them: none knows the others to be durable.
  std::string batch;
  for (std::uint64_t lsn = 2; lsn <= 4; ++lsn) {
    batch += test::make_frame(seed, place + batch.size(),
                              {.lsn = lsn,
                               .durable_distance = static_cast<std::uint32_t>(lsn - 1),
                               .payload = text_of(lsn)});
  }
  batch.resize(kMinSegmentBytes - place);
  poke(file.path, place, batch);
  flip_bit(file.path, place + 30);
  std::vector<std::string> expected = texts(1, 1);
  for (std::uint64_t round = 0; round < 4; ++round) {
    ASSERT_OK_AND_ASSIGN(Wal again, try_open());
    ASSERT_EQ(contents(again), expected) << "round " << round;
    if (round % 2 == 1) append(again, 100 + round, 100 + round);
    if (round % 2 == 1) expected.push_back(text_of(100 + round));
    crash(std::move(again));
  }
  EXPECT_EQ(contents_after_opening(), expected);
}

// What a torn device write left in later blocks is out of the way of the records that come there.
TEST_P(RecoveryTest, WhatLayInLaterBlocksNeverComesBack) {
  ASSERT_OK_AND_ASSIGN(Wal wal, try_open());
  append(wal, 1, 1);
  crash(std::move(wal));
  const test::SegmentFile file = newest();
  const std::uint32_t seed = record_seed(file.state);
  // Wherever the next record ends, one of these begins.
  std::uint64_t lsn = 50;
  for (std::size_t at = kSegmentDataOffset + kBlockBytes + kFrameAlignment;
       at < kMinSegmentBytes / 2; at += kFrameAlignment) {
    poke(file.path, at,
         test::make_frame(seed, at,
                          {.lsn = lsn++, .durable_distance = kUnknownDistance, .payload = "old"}));
  }
  std::vector<std::string> expected = texts(1, 1);
  for (std::uint64_t round = 0; round < 3; ++round) {
    ASSERT_OK_AND_ASSIGN(Wal again, try_open());
    ASSERT_EQ(contents(again), expected) << "round " << round;
    append(again, 100 + round, 100 + round);
    expected.push_back(text_of(100 + round));
    crash(std::move(again));
  }
  EXPECT_EQ(contents_after_opening(), expected);
}

// The same with the writer's own frames, in the middle of a block: the block carries a record that
// counts and is not written again, so the log goes on in the next one.
TEST_P(RecoveryTest, ATearInTheMiddleOfABlockIsLeftBehind) {
  if (!block()) GTEST_SKIP() << "one record is in flight at a time";
  ASSERT_OK_AND_ASSIGN(Wal wal, try_open());
  append(wal, 1, 1);
  append_together(wal, 2, 5);
  crash(std::move(wal));
  damage(3);
  const std::size_t torn = frame_of(2).next;
  const std::string kept = test::file_content(newest().path).substr(0, align_up(torn, kBlockBytes));
  std::vector<std::string> expected = texts(1, 2);
  for (std::uint64_t round = 0; round < 5; ++round) {
    ASSERT_OK_AND_ASSIGN(Wal again, try_open());
    ASSERT_EQ(contents(again), expected) << "round " << round;
    append(again, 100 + round, 100 + round);
    expected.push_back(text_of(100 + round));
    crash(std::move(again));
  }
  EXPECT_EQ(contents_after_opening(), expected);
  const std::string now = test::file_content(newest().path);
  EXPECT_TRUE(now.substr(kSegmentDataOffset, kept.size() - kSegmentDataOffset) ==
              kept.substr(kSegmentDataOffset))
      << "a block with acknowledged records was written again";
}

// The last block of a segment has no next one to go on in: the log must rotate, even when the next
// record would fit behind the tear. It once did not, and wrote the block again: a power cut in that
// write could have torn the records in front of the tear, which a reader had seen.
TEST_P(RecoveryTest, ATearInTheLastBlockOfASegmentIsLeftBehind) {
  if (!block()) GTEST_SKIP() << "one record is in flight at a time";
  ASSERT_OK_AND_ASSIGN(Wal wal, try_open());
  const std::uint64_t blocks = (kMinSegmentBytes - kSegmentDataOffset) / kBlockBytes;
  append(wal, 1, blocks - 1);
  append_together(wal, blocks, blocks + 2);
  crash(std::move(wal));
  damage(blocks + 1);
  const std::string before = test::file_content(newest().path).substr(kSegmentDataOffset);
  {
    ASSERT_OK_AND_ASSIGN(Wal again, try_open());
    ASSERT_EQ(contents(again), texts(1, blocks));
    append(again, 100, 100);
    crash(std::move(again));
  }
  EXPECT_EQ(contents_after_opening(), texts(1, blocks) + texts(100, 100));
  EXPECT_TRUE(test::file_content(lane_files(log()).front().path).substr(kSegmentDataOffset) ==
              before)
      << "a block with acknowledged records was written again";
}

// A device write of several blocks that arrived without one of the middle ones.
TEST_P(RecoveryTest, AWriteWithItsMiddleMissingEndsThere) {
  if (!block()) GTEST_SKIP() << "one record is in flight at a time";
  ASSERT_OK_AND_ASSIGN(Wal wal, try_open());
  append(wal, 1, 1);
  append_together(wal, 2, 9, 2000);
  crash(std::move(wal));
  const std::size_t hole = align_up(frame_of(4).offset, kBlockBytes);
  poke(newest().path, hole, std::string(kBlockBytes, '\0'));
  std::vector<std::string> found;
  {
    ASSERT_OK_AND_ASSIGN(Wal again, try_open());
    found = contents(again);
    ASSERT_GE(found.size(), 3U);
    ASSERT_LT(found.size(), 6U);
    EXPECT_EQ(found, texts(1, 1) + texts(2, found.size(), 2000));
    EXPECT_EQ(again.recovery().torn_tails, 1U);
    EXPECT_GT(again.recovery().discarded_bytes, 0U);
    append(again, 100, 103, 2000);
    crash(std::move(again));
  }
  EXPECT_EQ(contents_after_opening(), found + texts(100, 103, 2000));
}

TEST_P(RecoveryTest, ATornBatchIsGoneAsAWhole) {
  ASSERT_OK_AND_ASSIGN(Wal wal, try_open());
  append(wal, 1, 1);
  const auto records = texts(2, 20, 500);
  std::vector<Bytes> batch;
  for (const std::string& record : records) batch.push_back(as_bytes(record));
  ASSERT_OK(wal.lane(0).append_batch(batch));
  crash(std::move(wal));
  const auto frame = frame_of(2);
  ASSERT_EQ(frame.records, records.size());
  flip_bit(newest().path, frame.offset + 5000);
  EXPECT_EQ(contents_after_opening(), texts(1, 1));
}

// Random appends, crashes and tears, over and over on one log: what was acknowledged before the
// last device write is always there, of the last write a prefix, and nothing else.
TEST_P(RecoveryTest, RandomTearsOverAndOverLoseNothingAcknowledged) {
  SeededRandom random(test::seed());
  const std::size_t unit = block() ? 512 : 64;
  std::vector<std::string> expected;
  std::uint64_t number = 0;
  for (int round = 0; round < 40; ++round) {
    ASSERT_OK_AND_ASSIGN(Wal wal, try_open());
    ASSERT_EQ(contents(wal), expected) << "round " << round;
    // At least one: the first record behind a recovery comes with a resume frame, which is durable
    // before it and so never torn together with it.
    const std::uint64_t sure = 1 + uniform_below(random, 5);
    for (std::uint64_t i = 0; i < sure; ++i) {
      const std::size_t bytes = 8 + uniform_below(random, 3000);
      append_together(wal, number + 1, number + 1, bytes);
      expected.push_back(text_of(++number, bytes));
    }
    const test::DirectoryContent before = test::directory_content(log());
    const std::uint64_t last = block() ? uniform_below(random, 12) : 1;
    const std::size_t bytes = 8 + uniform_below(random, 3000);
    if (last > 0) append_together(wal, number + 1, number + last, bytes);
    crash(std::move(wal));
    const auto segments = lane_files(log());
    if (last > 0) {
      // Some units of the last write never arrived. A segment made since then is left as it is.
      const auto& file = segments.back();
      const std::string after = test::file_content(file.path);
      const auto old = before.find(std::filesystem::relative(file.path, log()).string());
      for (std::size_t at = kSegmentDataOffset; old != before.end() && at < after.size();
           at += unit) {
        if (after.compare(at, unit, old->second, at, unit) == 0) continue;
        if (uniform_below(random, 3) == 0) poke(file.path, at, old->second.substr(at, unit));
      }
    }
    ASSERT_OK_AND_ASSIGN(Wal again, try_open());
    const auto found = contents(again);
    ASSERT_GE(found.size(), expected.size());
    ASSERT_LE(found.size(), expected.size() + last);
    for (std::size_t i = expected.size(); i < found.size(); ++i) {
      expected.push_back(text_of(++number, bytes));
    }
    ASSERT_EQ(found, expected);
    number += last;
    if (segments.size() > 3) {
      ASSERT_OK(again.truncate(Lsn{~std::uint64_t{0}}));
      expected = contents(again);
    }
    crash(std::move(again));
  }
}

}  // namespace
}  // namespace nacre::wal
