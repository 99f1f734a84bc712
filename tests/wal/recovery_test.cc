#include "wal/recovery.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "lib/base/endian.h"
#include "lib/codec/crc32c.h"
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
using test::segment_files;
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

// Torn tails.

TEST_P(RecoveryTest, EverythingIsThereAfterACrash) {
  ASSERT_OK_AND_ASSIGN(Wal wal, try_open());
  append(wal, 1, 50, 3000);
  crash(std::move(wal));
  ASSERT_OK_AND_ASSIGN(const Wal again, try_open());
  EXPECT_EQ(contents(again), texts(1, 50, 3000));
  EXPECT_FALSE(again.recovery().clean_shutdown);
  EXPECT_EQ(again.recovery().records, 50U);
  EXPECT_EQ(again.recovery().torn_tails, 0U);
  EXPECT_EQ(again.recovery().segments, lane_files(log()).size());
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

// Rot.

TEST_P(RecoveryTest, RotBelowAcknowledgedDataIsRefused) {
  ASSERT_OK_AND_ASSIGN(Wal wal, try_open());
  append(wal, 1, 6);
  crash(std::move(wal));
  const test::SegmentFile file = newest();
  for (std::uint64_t lsn = 1; lsn <= 5; ++lsn) {
    const std::size_t frame = frame_of(lsn).offset;
    // Checksum, length, LSN, kind, payload.
    for (const std::size_t at : {0U, 4U, 8U, 20U, 24U, 100U}) {
      flip_bit(file.path, frame + at, 1);
      const Error error = refused(ErrorCode::kCorruption);
      EXPECT_EQ(error.path(), file.path.string());
      EXPECT_EQ(error.offset(), frame) << lsn << " at " << at;
      flip_bit(file.path, frame + at, 1);
    }
  }
  EXPECT_EQ(contents_after_opening(), texts(1, 6));
}

TEST_P(RecoveryTest, ABlockOfZerosBelowAcknowledgedDataIsRefused) {
  ASSERT_OK_AND_ASSIGN(Wal wal, try_open());
  append(wal, 1, 6, 5000);
  crash(std::move(wal));
  const auto frame = frame_of(3);
  poke(newest().path, align_up(frame.offset, kBlockBytes), std::string(kBlockBytes, '\0'));
  EXPECT_EQ(refused(ErrorCode::kCorruption).path(), newest().path.string());
}

TEST_P(RecoveryTest, RotInASealedSegmentIsRefused) {
  ASSERT_OK_AND_ASSIGN(Wal wal, try_open());
  append(wal, 1, 60, 3000);
  crash(std::move(wal));
  const auto segments = lane_files(log());
  ASSERT_GE(segments.size(), 3U);
  for (std::size_t i = 0; i + 1 < segments.size(); ++i) {
    const auto frames = test::record_frames_of(segments[i].path);
    // The last record, too: the header says that it was there.
    for (const auto& frame : {frames.front(), frames[frames.size() / 2], frames.back()}) {
      flip_bit(segments[i].path, frame.offset + 500);
      const Error error = refused(ErrorCode::kCorruption);
      EXPECT_EQ(error.path(), segments[i].path.string());
      EXPECT_EQ(error.offset(), frame.offset);
      flip_bit(segments[i].path, frame.offset + 500);
    }
  }
  EXPECT_EQ(contents_after_opening(), texts(1, 60, 3000));
}

TEST_P(RecoveryTest, RotInTheLastRecordOfACleanlyClosedLogIsRefused) {
  {
    ASSERT_OK_AND_ASSIGN(Wal wal, try_open());
    append(wal, 1, 3);
    ASSERT_OK(wal.close());
  }
  const auto frame = frame_of(3);
  flip_bit(newest().path, frame.offset + 60);
  const Error error = refused(ErrorCode::kCorruption);
  EXPECT_EQ(error.path(), newest().path.string());
  EXPECT_EQ(error.offset(), frame.offset);
}

// A header slot that rots reveals the state before. When that was the clean close before the last
// open, the log seemed to end where it had ended then, and all records since were cut off silently.
TEST_P(RecoveryTest, AHeaderThatRevertsToAnOlderCleanCloseIsRefused) {
  {
    ASSERT_OK_AND_ASSIGN(Wal wal, try_open());
    append(wal, 1, 3);
    ASSERT_OK(wal.close());
  }
  ASSERT_OK_AND_ASSIGN(Wal wal, try_open());
  append(wal, 4, 6);
  crash(std::move(wal));
  const test::SegmentFile file = newest();
  ASSERT_FALSE(file.state.closed_cleanly);
  flip_bit(file.path, file.slot * kSegmentSlotBytes + 20);
  ASSERT_TRUE(newest().state.closed_cleanly);
  const Error error = refused(ErrorCode::kCorruption);
  EXPECT_EQ(error.path(), file.path.string());
  EXPECT_EQ(error.offset(), file.slot * kSegmentSlotBytes);
}

TEST_P(RecoveryTest, AHeaderThatRevertsToFreeIsRefused) {
  ASSERT_OK_AND_ASSIGN(Wal wal, try_open());
  append(wal, 1, 30, 3000);
  crash(std::move(wal));
  ASSERT_GE(lane_files(log()).size(), 2U);
  const test::SegmentFile file = newest();
  flip_bit(file.path, file.slot * kSegmentSlotBytes + 20);
  const Error error = refused(ErrorCode::kCorruption);
  EXPECT_EQ(error.path(), file.path.string());
  EXPECT_EQ(error.offset(), file.slot * kSegmentSlotBytes);
}

TEST_P(RecoveryTest, ASealThatRotsAwayIsRefused) {
  ASSERT_OK_AND_ASSIGN(Wal wal, try_open());
  append(wal, 1, 30, 3000);
  crash(std::move(wal));
  const auto segments = lane_files(log());
  ASSERT_GE(segments.size(), 2U);
  flip_bit(segments[0].path, segments[0].slot * kSegmentSlotBytes + 20);
  EXPECT_EQ(refused(ErrorCode::kCorruption).path(), segments[0].path.string());
}

TEST_P(RecoveryTest, AHeaderWithBothSlotsDamagedIsRefused) {
  ASSERT_OK_AND_ASSIGN(Wal wal, try_open());
  append(wal, 1, 3);
  crash(std::move(wal));
  const auto path = newest().path;
  flip_bit(path, 20);
  flip_bit(path, kSegmentSlotBytes + 20);
  EXPECT_EQ(refused(ErrorCode::kCorruption).path(), path.string());
}

TEST_P(RecoveryTest, AnImpossibleEndInAHeaderIsRefused) {
  {
    ASSERT_OK_AND_ASSIGN(Wal wal, try_open());
    append(wal, 1, 3);
    ASSERT_OK(wal.close());
  }
  const test::SegmentFile file = newest();
  for (const std::uint64_t end : {std::uint64_t{0}, kMinSegmentBytes + 64, ~std::uint64_t{0}}) {
    SegmentState state = file.state;
    state.end_offset = end;
    test::write_slot(file.path, file.slot, state);
    EXPECT_EQ(refused(ErrorCode::kCorruption).path(), file.path.string());
  }
}

// Missing, foreign and misshapen segments.

TEST_P(RecoveryTest, AMissingSegmentIsRefusedWhereverItIsMissing) {
  ASSERT_OK_AND_ASSIGN(Wal wal, try_open());
  append(wal, 1, 80, 3000);
  crash(std::move(wal));
  const auto segments = lane_files(log());
  ASSERT_GE(segments.size(), 4U);
  const std::filesystem::path aside = directory_->path() / "aside";
  for (const std::size_t missing : {std::size_t{0}, segments.size() / 2, segments.size() - 1}) {
    std::filesystem::rename(segments[missing].path, aside);
    const Error error = refused(ErrorCode::kCorruption);
    EXPECT_THAT(error.message(), testing::HasSubstr("missing")) << missing;
    std::filesystem::rename(aside, segments[missing].path);
  }
  EXPECT_EQ(contents_after_opening(), texts(1, 80, 3000));
}

TEST_P(RecoveryTest, ALaneWithoutItsOnlySegmentIsRefused) {
  ASSERT_OK_AND_ASSIGN(Wal wal, try_open(2));
  ASSERT_OK(wal.lane(0).append(as_bytes("zero")));
  ASSERT_OK(wal.lane(1).append(as_bytes("one")));
  crash(std::move(wal));
  std::filesystem::remove(lane_files(log(), 1).front().path);
  const test::DirectoryContent before = test::directory_content(log());
  const auto again = try_open(2);
  ASSERT_THAT(again, test::has_code(ErrorCode::kCorruption));
  EXPECT_THAT(again.error().message(), testing::HasSubstr("lane 1"));
  EXPECT_THAT(test::changed_files(before, test::directory_content(log())), testing::IsEmpty());
}

TEST_P(RecoveryTest, ASegmentOfAnotherLogIsRefused) {
  {
    ASSERT_OK_AND_ASSIGN(Wal other, try_open());
    append(other, 1, 3);
    ASSERT_OK(other.close());
  }
  const auto foreign = newest().path;
  log_ = directory_->path() / "mine";
  {
    ASSERT_OK_AND_ASSIGN(Wal wal, try_open());
    append(wal, 1, 3);
    ASSERT_OK(wal.close());
  }
  const auto mine = newest().path;
  ASSERT_EQ(mine.filename(), foreign.filename());
  std::filesystem::copy(foreign, mine, std::filesystem::copy_options::overwrite_existing);
  const Error error = refused(ErrorCode::kCorruption);
  EXPECT_EQ(error.path(), mine.string());
  EXPECT_THAT(error.message(), testing::HasSubstr("another log"));
}

TEST_P(RecoveryTest, ARenamedSegmentIsRefused) {
  ASSERT_OK_AND_ASSIGN(Wal wal, try_open());
  append(wal, 1, 3);
  crash(std::move(wal));
  const auto path = newest().path;
  const auto renamed = path.parent_path() / segment_file_name(SegmentId{77});
  std::filesystem::rename(path, renamed);
  EXPECT_EQ(refused(ErrorCode::kCorruption).path(), renamed.string());
  // A second copy under another name is no better.
  std::filesystem::copy(renamed, path);
  EXPECT_EQ(refused(ErrorCode::kCorruption).path(), renamed.string());
}

TEST_P(RecoveryTest, ASegmentCutShortOrGrownIsRefused) {
  ASSERT_OK_AND_ASSIGN(Wal wal, try_open());
  append(wal, 1, 3);
  crash(std::move(wal));
  const auto path = newest().path;
  const std::string whole = test::file_content(path);
  for (const std::uint64_t bytes :
       {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{5000}, std::uint64_t{8192},
        kMinSegmentBytes - 1, kMinSegmentBytes + 1, 2 * kMinSegmentBytes}) {
    std::filesystem::resize_file(path, bytes);
    EXPECT_EQ(refused(ErrorCode::kCorruption).path(), path.string()) << bytes;
    test::write_content(path, whole);
  }
  EXPECT_EQ(contents_after_opening(), texts(1, 3));
}

TEST_P(RecoveryTest, TwoSegmentsInOnePlaceAreRefused) {
  ASSERT_OK_AND_ASSIGN(Wal wal, try_open());
  append(wal, 1, 30, 3000);
  crash(std::move(wal));
  const auto segments = lane_files(log());
  ASSERT_GE(segments.size(), 2U);
  SegmentState state = segments[1].state;
  state.lane_sequence = 0;
  state.sequence += 1;
  test::write_slot(segments[1].path, 1 - segments[1].slot, state);
  EXPECT_THAT(refused(ErrorCode::kCorruption).message(), testing::HasSubstr("two segments"));
}

TEST_P(RecoveryTest, ANewerSegmentFormatIsUnsupported) {
  ASSERT_OK_AND_ASSIGN(Wal wal, try_open());
  append(wal, 1, 3);
  crash(std::move(wal));
  const test::SegmentFile file = newest();
  SegmentSlot slot = encode_segment_slot(file.state);
  slot.format_version = 2;
  std::string bytes(reinterpret_cast<const char*>(&slot), sizeof slot);
  const le32 crc = ~crc32c(~0U, as_bytes(bytes).subspan(12));
  bytes.replace(8, 4, reinterpret_cast<const char*>(&crc), 4);
  poke(file.path, file.slot * kSegmentSlotBytes, bytes);
  const Error error = refused(ErrorCode::kUnsupported);
  EXPECT_EQ(error.path(), file.path.string());
}

// The small files.

class SmallFileTest : public RecoveryTest {
 protected:
  void SetUp() override {
    auto wal = try_open();
    ASSERT_OK(wal);
    append(*wal, 1, 3);
    crash(*std::move(wal));
  }
  void make_newer(const std::filesystem::path& path) {
    std::string content = test::file_content(path);
    content[12] = 2;
    const le32 crc = ~crc32c(~0U, as_bytes(content).subspan(12));
    content.replace(8, 4, reinterpret_cast<const char*>(&crc), 4);
    test::write_content(path, content);
  }
};

INSTANTIATE_TEST_SUITE_P(Domain, SmallFileTest,
                         testing::Values(LogPlace::kBlock, LogPlace::kEmulatedInMemory),
                         test::place_name);

TEST_P(SmallFileTest, EachOneLostIsCorruption) {
  for (const char* name : {"SUPERBLOCK", "LANES"}) {
    const std::string content = test::file_content(log() / name);
    std::filesystem::remove(log() / name);
    const Error error = refused(ErrorCode::kCorruption);
    EXPECT_THAT(error.to_string(), testing::HasSubstr(name));
    test::write_content(log() / name, content);
  }
  EXPECT_EQ(contents_after_opening(), texts(1, 3));
}

TEST_P(SmallFileTest, AllSegmentsLostIsCorruption) {
  std::filesystem::remove_all(log() / "segments");
  EXPECT_THAT(refused(ErrorCode::kCorruption).message(), testing::HasSubstr("segments"));
}

TEST_P(SmallFileTest, EachOneDamagedIsCorruptionAndNamesTheFile) {
  for (const char* name : {"SUPERBLOCK", "LANES"}) {
    const auto path = log() / name;
    const std::string content = test::file_content(path);
    for (std::size_t offset = 0; offset < content.size(); offset += 5) {
      flip_bit(path, offset, 6);
      EXPECT_EQ(refused(ErrorCode::kCorruption).path(), path.string()) << offset;
      flip_bit(path, offset, 6);
    }
    test::write_content(path, content.substr(0, content.size() - 1));
    EXPECT_EQ(refused(ErrorCode::kCorruption).path(), path.string());
    test::write_content(path, content);
  }
}

TEST_P(SmallFileTest, EachOneOfANewerFormatIsUnsupported) {
  for (const char* name : {"SUPERBLOCK", "LANES"}) {
    const std::string content = test::file_content(log() / name);
    make_newer(log() / name);
    EXPECT_EQ(refused(ErrorCode::kUnsupported).path(), (log() / name).string());
    test::write_content(log() / name, content);
  }
}

// Interrupted steps, and recovery itself.

TEST_P(RecoveryTest, AnInterruptedRotationIsCompleted) {
  ASSERT_OK_AND_ASSIGN(Wal wal, try_open());
  std::uint64_t last = 0;
  while (!std::filesystem::exists(log()) || lane_files(log()).size() < 2) {
    append(wal, last + 1, last + 1, 3000);
    ++last;
  }
  crash(std::move(wal));
  const auto segments = lane_files(log());
  // The crash came before the successor was activated, and so before its first record.
  SegmentState free = segments[1].state;
  free.use = SegmentUse::kFree;
  free.generation -= 1;
  free.sequence = 1;
  test::write_content(segments[1].path, std::string(kMinSegmentBytes, '\0'));
  test::write_slot(segments[1].path, 0, free);
  {
    ASSERT_OK_AND_ASSIGN(Wal again, try_open());
    EXPECT_EQ(contents(again), texts(1, last - 1, 3000));
    EXPECT_EQ(lane_files(log()).back().state.next, SegmentId{})
        << "the segment it named is free for anybody";
    append(again, last, last + 40, 3000);
    crash(std::move(again));
  }
  EXPECT_EQ(contents_after_opening(), texts(1, last + 40, 3000));
}

TEST_P(RecoveryTest, AnInterruptedTruncationIsCompleted) {
  ASSERT_OK_AND_ASSIGN(Wal wal, try_open());
  append(wal, 1, 60, 3000);
  const test::DirectoryContent before = test::directory_content(log());
  ASSERT_OK(wal.truncate(Lsn{50}));
  const auto kept = contents(wal);
  ASSERT_LT(kept.size(), 60U);
  crash(std::move(wal));
  const auto freed = segment_files(log());
  std::size_t put_back = 0;
  for (const auto& file : freed) {
    if (file.state.use != SegmentUse::kFree) continue;
    const std::string name = std::filesystem::relative(file.path, log()).string();
    if (!before.contains(name)) continue;
    test::write_content(file.path, before.at(name));
    ++put_back;
  }
  ASSERT_GE(put_back, 2U);
  for (int round = 0; round < 2; ++round) {
    ASSERT_OK_AND_ASSIGN(Wal again, try_open());
    EXPECT_EQ(contents(again), kept);
    const auto now = segment_files(log());
    EXPECT_EQ(static_cast<std::size_t>(std::ranges::count_if(
                  now, [](const auto& file) { return file.state.use == SegmentUse::kFree; })),
              put_back);
    crash(std::move(again));
  }
}

TEST_P(RecoveryTest, ASecondRecoveryWritesNothing) {
  ASSERT_OK_AND_ASSIGN(Wal wal, try_open());
  append(wal, 1, 30, 3000);
  append_together(wal, 31, 36);
  crash(std::move(wal));
  damage(block() ? 33 : 36);
  std::vector<std::string> found;
  {
    ASSERT_OK_AND_ASSIGN(Wal again, try_open());
    found = contents(again);
    crash(std::move(again));
  }
  const test::DirectoryContent mended = test::directory_content(log());
  {
    ASSERT_OK_AND_ASSIGN(Wal again, try_open());
    EXPECT_EQ(contents(again), found);
    EXPECT_THAT(test::changed_files(mended, test::directory_content(log())), testing::IsEmpty());
    crash(std::move(again));
  }
}

TEST_P(RecoveryTest, OpeningACleanlyClosedLogWritesNothing) {
  {
    ASSERT_OK_AND_ASSIGN(Wal wal, try_open());
    append(wal, 1, 30, 3000);
    ASSERT_OK(wal.close());
  }
  const test::DirectoryContent before = test::directory_content(log());
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(contents_after_opening(), texts(1, 30, 3000));
    EXPECT_THAT(test::changed_files(before, test::directory_content(log())), testing::IsEmpty());
  }
}

TEST_P(RecoveryTest, ALaneThatBeganJustBeforeTheCrashIsNoted) {
  ASSERT_OK_AND_ASSIGN(Wal wal, try_open());
  crash(std::move(wal));
  const std::string none = test::file_content(log() / "LANES");
  ASSERT_OK_AND_ASSIGN(Wal again, try_open());
  append(again, 1, 1);
  const std::string noted = test::file_content(log() / "LANES");
  ASSERT_NE(none, noted);
  crash(std::move(again));
  test::write_content(log() / "LANES", none);
  EXPECT_EQ(contents_after_opening(), texts(1, 1));
  EXPECT_EQ(test::file_content(log() / "LANES"), noted);
}

TEST_P(RecoveryTest, AnInterruptedCreationOfTheLogIsBegunAnew) {
  {
    ASSERT_OK_AND_ASSIGN(Wal wal, try_open());
    ASSERT_OK(wal.close());
  }
  // The superblock is written last; without it nothing was ever acknowledged here.
  std::filesystem::remove(log() / "SUPERBLOCK");
  test::write_content(log() / "SUPERBLOCK.tmp", "half");
  ASSERT_OK_AND_ASSIGN(Wal wal, try_open());
  append(wal, 1, 1);
  crash(std::move(wal));
  EXPECT_EQ(contents_after_opening(), texts(1, 1));
}

}  // namespace
}  // namespace nacre::wal
