#include "wal/segment_scan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "nacre/random.h"
#include "tests/support/seed.h"
#include "tests/wal/frame_builder.h"

namespace nacre::wal {
namespace {

using test::batch_payload;
using test::resume_payload;
using test::SegmentBuilder;

constexpr std::uint32_t kSeed = 0x1234'5678;

SegmentScan scan(const SegmentBuilder& segment, Lsn last = {}, SparseIndex* index = nullptr) {
  return scan_segment(segment.bytes(), segment.seed(), kSegmentDataOffset, segment.bytes().size(),
                      last, index);
}

struct Tail {
  TailSearch search;
  std::vector<std::size_t> frames;
};

Tail tail_of(const SegmentBuilder& segment, const SegmentScan& scan) {
  Tail tail;
  tail.search = search_tail(
      segment.bytes(), segment.seed(), scan.end, scan.last,
      [](void* context, std::size_t offset) noexcept {
        static_cast<std::vector<std::size_t>*>(context)->push_back(offset);
      },
      &tail.frames);
  return tail;
}

TEST(ReadFrameAt, ReadsEveryPartOfAFrame) {
  SegmentBuilder segment(kSeed);
  const std::size_t at =
      segment.add({.lsn = 7, .durable_distance = 3, .tag = 0xbeef, .payload = "payload"});
  const FrameRead frame = read_frame_at(segment.bytes(), kSeed, at);
  ASSERT_EQ(frame.fault, FrameFault::kNone);
  EXPECT_EQ(frame.kind, FrameKind::kData);
  EXPECT_EQ(frame.tag, 0xbeef);
  EXPECT_EQ(frame.records, 1U);
  EXPECT_EQ(frame.first, Lsn{7});
  EXPECT_EQ(frame.last(), Lsn{7});
  EXPECT_EQ(frame.durable_distance, 3U);
  EXPECT_EQ(frame.offset, kSegmentDataOffset);
  EXPECT_EQ(frame.next, kSegmentDataOffset + 64);
  EXPECT_EQ(as_text(frame.payload), "payload");
}

TEST(ReadFrameAt, AFrameMovedToAnotherPlaceDoesNotValidate) {
  SegmentBuilder segment(kSeed);
  const std::size_t at = segment.add({.lsn = 1, .payload = std::string(100, 'x')});
  const std::string frame = segment.text().substr(at, frame_bytes(100));
  for (std::size_t to = at + kFrameAlignment; to + frame.size() <= segment.text().size();
       to += kFrameAlignment) {
    std::string moved(segment.text().size(), '\0');
    moved.replace(to, frame.size(), frame);
    EXPECT_EQ(read_frame_at(as_bytes(moved), kSeed, to).fault, FrameFault::kChecksum) << to;
  }
}

TEST(ReadFrameAt, WhatAnEarlierUseOrAnotherSegmentLeftDoesNotValidate) {
  SegmentState mine;
  mine.log_uuid.bytes = {1, 2, 3};
  mine.id = SegmentId{5};
  mine.generation = 100;
  SegmentBuilder segment(record_seed(mine));
  const std::size_t at = segment.add({.lsn = 1, .payload = "x"});
  ASSERT_EQ(read_frame_at(segment.bytes(), record_seed(mine), at).fault, FrameFault::kNone);
  for (std::uint32_t generation = 0; generation < 10'000; ++generation) {
    SegmentState other = mine;
    other.generation = generation;
    if (generation == mine.generation) continue;
    ASSERT_EQ(read_frame_at(segment.bytes(), record_seed(other), at).fault, FrameFault::kChecksum)
        << generation;
  }
  SegmentState other_id = mine;
  other_id.id = SegmentId{6};
  EXPECT_EQ(read_frame_at(segment.bytes(), record_seed(other_id), at).fault, FrameFault::kChecksum);
  SegmentState other_log = mine;
  other_log.log_uuid.bytes[0] ^= 1;
  EXPECT_EQ(read_frame_at(segment.bytes(), record_seed(other_log), at).fault,
            FrameFault::kChecksum);
}

TEST(ReadFrameAt, NothingOutsideTheSegmentIsRead) {
  SegmentBuilder segment(kSeed);
  const std::size_t size = segment.bytes().size();
  for (const std::size_t offset : {size - 63, size - 1, size, size + 1, ~std::size_t{0}}) {
    EXPECT_EQ(read_frame_at(segment.bytes(), kSeed, offset).fault, FrameFault::kEnd) << offset;
  }
  // A length that reaches behind the end, with a checksum that would match if it were read.
  segment.put(size - 64, {.lsn = 1, .payload = std::string(40, 'x')});
  EXPECT_EQ(read_frame_at(segment.bytes(), kSeed, size - 64).fault, FrameFault::kNone);
  const std::string longer =
      test::make_frame(kSeed, size - 64, {.lsn = 1, .payload = std::string(41, 'x')});
  segment.text().replace(size - 64, 64, longer.substr(0, 64));
  EXPECT_EQ(read_frame_at(segment.bytes(), kSeed, size - 64).fault, FrameFault::kLength);
}

TEST(ReadFrameAt, ARecordWithoutBytesIsNoFrame) {
  SegmentBuilder segment(kSeed);
  segment.add({.lsn = 1, .payload = ""});
  EXPECT_EQ(read_frame_at(segment.bytes(), kSeed, kSegmentDataOffset).fault, FrameFault::kLength);
}

TEST(ReadFrameAt, ABatchHoldsItsRecordsInOrder) {
  const std::vector<std::string> records = {"a", "12345678", std::string(1000, 'z'), "end"};
  SegmentBuilder segment(kSeed);
  const std::size_t at =
      segment.add({.kind = FrameKind::kBatch, .lsn = 11, .payload = batch_payload(records)});
  const FrameRead frame = read_frame_at(segment.bytes(), kSeed, at);
  ASSERT_EQ(frame.fault, FrameFault::kNone);
  EXPECT_EQ(frame.records, 4U);
  EXPECT_EQ(frame.last(), Lsn{14});
  std::size_t offset = sizeof(BatchHeader);
  for (const std::string& record : records) {
    const BatchRead entry = read_batch_entry(frame.payload, offset);
    EXPECT_EQ(as_text(entry.payload), record);
    offset = entry.next;
  }
  EXPECT_EQ(offset, frame.payload.size());
}

TEST(ReadFrameAt, ABatchThatDoesNotAddUpIsNoFrame) {
  const std::string good = batch_payload({"one", "two"});
  std::vector<std::string> bad;
  bad.push_back(good + std::string(8, '\0'));              // Something left over.
  bad.push_back(good.substr(0, good.size() - 8));          // An entry that reaches too far.
  bad.push_back(batch_payload({}) + std::string(8, 'x'));  // Entries, and a count of none.
  std::string too_many = good;
  too_many[0] = 3;
  bad.push_back(too_many);
  std::string huge_entry = good;
  huge_entry[sizeof(BatchHeader) + 3] = '\x7f';
  bad.push_back(huge_entry);
  for (const std::string& payload : bad) {
    SegmentBuilder segment(kSeed);
    segment.add({.kind = FrameKind::kBatch, .lsn = 1, .payload = payload});
    EXPECT_EQ(read_frame_at(segment.bytes(), kSeed, kSegmentDataOffset).fault, FrameFault::kBatch);
  }
}

TEST(ReadNextFrame, AResumeFrameCountsOnlyForTheEndItNames) {
  SegmentBuilder segment(kSeed);
  segment.add({.lsn = 1, .payload = "one"});
  const std::size_t end = segment.end();
  const std::size_t block = kSegmentDataOffset + kBlockBytes;
  segment.put(block, {.kind = FrameKind::kResume, .lsn = 1, .payload = resume_payload(end)});
  const FrameRead found = read_next_frame(segment.bytes(), kSeed, end, Lsn{1});
  ASSERT_EQ(found.fault, FrameFault::kNone);
  EXPECT_EQ(found.kind, FrameKind::kResume);
  EXPECT_EQ(found.offset, block);

  segment.put(block, {.kind = FrameKind::kResume, .lsn = 1, .payload = resume_payload(end + 64)});
  EXPECT_NE(read_next_frame(segment.bytes(), kSeed, end, Lsn{1}).fault, FrameFault::kNone);
  // Reached from the frames in front of it, it names another end than where they are.
  EXPECT_EQ(read_next_frame(segment.bytes(), kSeed, block, Lsn{1}).fault, FrameFault::kOrder);
}

TEST(ReadNextFrame, AnLsnThatDoesNotRiseIsOutOfOrder) {
  SegmentBuilder segment(kSeed);
  segment.add({.lsn = 5, .payload = "five"});
  EXPECT_EQ(read_next_frame(segment.bytes(), kSeed, kSegmentDataOffset, Lsn{4}).fault,
            FrameFault::kNone);
  EXPECT_EQ(read_next_frame(segment.bytes(), kSeed, kSegmentDataOffset, Lsn{5}).fault,
            FrameFault::kOrder);
}

TEST(ScanSegment, CountsRecordsOverPadsBatchesAndResumes) {
  SegmentBuilder segment(kSeed);
  segment.add({.lsn = 1, .payload = "one"});
  segment.add({.kind = FrameKind::kBatch, .lsn = 2, .payload = batch_payload({"two", "three"})});
  segment.seal_block();
  segment.add({.lsn = 4, .payload = std::string(5000, '4')});
  const std::size_t torn_end = segment.end();
  segment.skip_to(align_up(torn_end, kBlockBytes));
  segment.add({.kind = FrameKind::kResume, .lsn = 4, .payload = resume_payload(torn_end)});
  segment.add({.lsn = 9, .payload = "nine"});
  const SegmentScan found = scan(segment);
  EXPECT_EQ(found.records, 5U);
  EXPECT_EQ(found.last, Lsn{9});
  EXPECT_EQ(found.end, segment.end());
  EXPECT_EQ(found.frame_bytes, 64U + 64 + frame_bytes(5000) + 64);
}

TEST(ScanSegment, AnEmptySegmentEndsWhereItBegins) {
  const SegmentScan found = scan(SegmentBuilder(kSeed), Lsn{41});
  EXPECT_EQ(found.records, 0U);
  EXPECT_EQ(found.end, kSegmentDataOffset);
  EXPECT_EQ(found.last, Lsn{41});
}

TEST(ScanSegment, StopsAtItsLimit) {
  SegmentBuilder segment(kSeed);
  segment.add({.lsn = 1, .payload = "one"});
  const std::size_t limit = segment.end();
  segment.add({.lsn = 2, .payload = "two"});
  const SegmentScan found =
      scan_segment(segment.bytes(), kSeed, kSegmentDataOffset, limit, Lsn{}, nullptr);
  EXPECT_EQ(found.records, 1U);
  EXPECT_EQ(found.end, limit);
}

TEST(ScanSegment, AFullSegmentEndsAtItsEnd) {
  SegmentBuilder segment(kSeed);
  std::uint64_t lsn = 0;
  while (segment.end() < segment.bytes().size()) segment.add({.lsn = ++lsn, .payload = "x"});
  const SegmentScan found = scan(segment);
  EXPECT_EQ(found.records, lsn);
  EXPECT_EQ(found.end, segment.bytes().size());
  EXPECT_EQ(tail_of(segment, found).search.frames, 0U);
}

TEST(ScanSegment, OnlyWhatNoLaterFrameProvesIsUnproven) {
  SegmentBuilder segment(kSeed);
  segment.add({.lsn = 1, .payload = "one"});
  const std::size_t second = segment.add({.lsn = 2, .durable_distance = 1, .payload = "two"});
  EXPECT_EQ(scan(segment).unproven, second);
  // Two more of one batch: they say that LSN 2 was durable, and nothing about each other.
  const std::size_t third = segment.add({.lsn = 3, .durable_distance = 1, .payload = "three"});
  segment.add({.lsn = 4, .durable_distance = 2, .payload = "four"});
  EXPECT_EQ(scan(segment).unproven, third);
}

TEST(ScanSegment, IndexesTheFirstFrameOfEachStride) {
  SegmentBuilder segment(kSeed, std::size_t{1} << 20);
  std::uint64_t lsn = 0;
  while (segment.end() + 1024 < segment.bytes().size()) {
    segment.add({.lsn = ++lsn, .payload = std::string(1000, 'x')});
  }
  SparseIndex index(segment.bytes().size());
  scan(segment, {}, &index);
  for (std::uint64_t wanted = 1; wanted <= lsn; wanted += 7) {
    const std::size_t at = index.find(Lsn{wanted}, {}).offset;
    const FrameRead frame = read_frame_at(segment.bytes(), kSeed, at);
    ASSERT_EQ(frame.fault, FrameFault::kNone) << wanted;
    EXPECT_LE(frame.first, Lsn{wanted});
    const std::size_t exact = kSegmentDataOffset + (wanted - 1) * 1024;
    EXPECT_LT(exact - at, SparseIndex::kStrideBytes + 1024) << wanted;
  }
}

/// About ten frames of every kind over several blocks.
SegmentBuilder mixed_segment() {
  SegmentBuilder segment(kSeed);
  segment.add({.lsn = 1, .durable_distance = 1, .payload = "first"});
  segment.add({.lsn = 2, .durable_distance = 1, .tag = 9, .payload = std::string(100, 'b')});
  segment.seal_block();
  segment.add({.kind = FrameKind::kBatch,
               .lsn = 3,
               .durable_distance = 1,
               .payload = batch_payload({"three", "four", std::string(50, '5')})});
  segment.add({.lsn = 6, .durable_distance = 4, .payload = "six"});
  segment.seal_block();
  segment.add({.lsn = 7, .durable_distance = 1, .payload = std::string(300, '7')});
  const std::size_t end = segment.end();
  segment.skip_to(align_up(end, kBlockBytes));
  segment.add({.kind = FrameKind::kResume, .lsn = 7, .payload = resume_payload(end)});
  segment.add({.lsn = 8, .durable_distance = 1, .payload = "eight"});
  segment.add({.lsn = 9, .durable_distance = 2, .payload = "nine"});
  return segment;
}

/// LSN and payload of each record, as a reader gets them.
std::vector<std::pair<std::uint64_t, std::string>> records_of(const SegmentBuilder& segment) {
  std::vector<std::pair<std::uint64_t, std::string>> records;
  Lsn last;
  for (std::size_t at = kSegmentDataOffset;;) {
    const FrameRead frame = read_next_frame(segment.bytes(), segment.seed(), at, last);
    if (frame.fault != FrameFault::kNone) return records;
    at = frame.next;
    if (frame.records == 0) continue;
    last = frame.last();
    if (frame.kind == FrameKind::kData) {
      records.emplace_back(frame.first.value, as_text(frame.payload));
      continue;
    }
    std::size_t offset = sizeof(BatchHeader);
    for (std::uint64_t i = 0; i < frame.records; ++i) {
      const BatchRead entry = read_batch_entry(frame.payload, offset);
      records.emplace_back(frame.first.value + i, as_text(entry.payload));
      offset = entry.next;
    }
  }
}

// Every bit of every block in use: the log ends before the frame that was struck, with all that
// lies in front of it intact, or nothing a reader sees has changed. No bit makes a record say
// something else.
TEST(ScanSegment, EachFlippedBitEndsTheLogThereOrChangesNothing) {
  SegmentBuilder segment = mixed_segment();
  const auto whole = records_of(segment);
  ASSERT_EQ(whole.size(), 9U);
  struct Span {
    std::size_t begin, end;
    std::uint64_t records_before;
  };
  std::vector<Span> frames;
  std::uint64_t before = 0;
  Lsn last;
  for (std::size_t at = kSegmentDataOffset;;) {
    const FrameRead frame = read_next_frame(segment.bytes(), kSeed, at, last);
    if (frame.fault != FrameFault::kNone) break;
    const bool pad = frame.kind == FrameKind::kPad;
    // Of a pad only the header says anything; of the others everything but the padding does.
    frames.push_back({frame.offset,
                      frame.offset + sizeof(FrameHeader) + (pad ? 0 : frame.payload.size()),
                      before});
    before += frame.records;
    if (frame.records > 0) last = frame.last();
    at = frame.next;
  }
  const std::size_t used_end = segment.end();
  std::uint64_t ended = 0;
  for (std::size_t offset = kSegmentDataOffset; offset < used_end; ++offset) {
    const auto hit = std::ranges::find_if(
        frames, [offset](const Span& s) { return offset >= s.begin && offset < s.end; });
    const bool outside = hit == frames.end();
    for (unsigned bit = 0; bit < 8; ++bit) {
      segment.flip(offset, bit);
      const auto found = records_of(segment);
      const std::size_t expected = outside ? whole.size() : hit->records_before;
      ASSERT_EQ(found.size(), expected) << "offset " << offset << " bit " << bit;
      ASSERT_TRUE(std::equal(found.begin(), found.end(), whole.begin()));
      ended += outside ? 0 : 1;
      segment.flip(offset, bit);
    }
  }
  EXPECT_GT(ended, 1000U);
}

TEST(SearchTail, FindsNothingBehindAnOrdinaryEnd) {
  const SegmentBuilder segment = mixed_segment();
  const Tail tail = tail_of(segment, scan(segment));
  EXPECT_EQ(tail.search.frames, 0U);
  EXPECT_FALSE(tail.search.proves_rot);
}

TEST(SearchTail, AFrameThatSaysTheMissingOneWasDurableProvesRot) {
  SegmentBuilder segment(kSeed);
  segment.add({.lsn = 1, .durable_distance = 1, .payload = "one"});
  const std::size_t second = segment.add({.lsn = 2, .durable_distance = 1, .payload = "two"});
  const std::size_t third = segment.add({.lsn = 3, .durable_distance = 1, .payload = "three"});
  segment.flip(second + sizeof(FrameHeader), 2);
  const SegmentScan found = scan(segment);
  EXPECT_EQ(found.end, second);
  EXPECT_EQ(found.fault, FrameFault::kChecksum);
  const Tail tail = tail_of(segment, found);
  EXPECT_TRUE(tail.search.proves_rot);
  EXPECT_EQ(tail.search.proof_offset, third);
  EXPECT_EQ(tail.search.proof_lsn, Lsn{3});
}

TEST(SearchTail, FramesOfOneTornWriteProveNothing) {
  // LSN 1 durable; 2, 3 and 4 were one device write, of which the first block never arrived.
  SegmentBuilder segment(kSeed);
  segment.add({.lsn = 1, .durable_distance = 1, .payload = "one"});
  segment.seal_block();
  const std::size_t second =
      segment.add({.lsn = 2, .durable_distance = 1, .payload = std::string(5000, '2')});
  const std::size_t third = segment.add({.lsn = 3, .durable_distance = 2, .payload = "three"});
  const std::size_t fourth = segment.add({.lsn = 4, .durable_distance = 3, .payload = "four"});
  segment.text().replace(second, kBlockBytes, std::string(kBlockBytes, '\0'));
  const SegmentScan found = scan(segment);
  EXPECT_EQ(found.end, second);
  const Tail tail = tail_of(segment, found);
  EXPECT_FALSE(tail.search.proves_rot);
  EXPECT_EQ(tail.frames, (std::vector<std::size_t>{third, fourth}));
  EXPECT_EQ(tail.search.bytes, 128U);
}

TEST(SearchTail, AWriteMissingBetweenTwoOthersIsRot) {
  // Three device writes, each begun only when the one before had ended.
  SegmentBuilder segment(kSeed);
  segment.add({.lsn = 1, .durable_distance = 1, .payload = "one"});
  segment.add({.lsn = 2, .durable_distance = 2, .payload = "two"});
  segment.seal_block();
  const std::size_t middle = segment.add({.lsn = 3, .durable_distance = 1, .payload = "three"});
  segment.add({.lsn = 4, .durable_distance = 2, .payload = "four"});
  segment.seal_block();
  const std::size_t last = segment.add({.lsn = 5, .durable_distance = 1, .payload = "five"});
  segment.seal_block();
  segment.text().replace(middle, kBlockBytes, std::string(kBlockBytes, '\0'));
  const SegmentScan found = scan(segment);
  EXPECT_EQ(found.end, middle);
  const Tail tail = tail_of(segment, found);
  EXPECT_TRUE(tail.search.proves_rot);
  EXPECT_EQ(tail.search.proof_offset, last);
}

TEST(SearchTail, AnUnknownDistanceProvesNothing) {
  SegmentBuilder segment(kSeed);
  segment.skip_to(kSegmentDataOffset + 64);
  segment.add({.lsn = 9, .durable_distance = kUnknownDistance, .payload = "nine"});
  segment.add({.lsn = 10, .durable_distance = 11, .payload = "a distance beyond the beginning"});
  const Tail tail = tail_of(segment, scan(segment));
  EXPECT_EQ(tail.search.frames, 2U);
  EXPECT_FALSE(tail.search.proves_rot);
}

TEST(SearchTail, FramesOfAnEarlierUseAreNotSeen) {
  SegmentBuilder old(kSeed + 1);
  for (std::uint64_t lsn = 1; lsn < 200; ++lsn) old.add({.lsn = lsn, .payload = "old"});
  SegmentBuilder segment(kSeed);
  segment.text() = old.text();
  segment.add({.lsn = 200, .payload = "new"});
  const SegmentScan found = scan(segment);
  EXPECT_EQ(found.records, 1U);
  EXPECT_EQ(tail_of(segment, found).search.frames, 0U);
}

// Arrays of small 16-bit numbers, such as sound or masks, look like frame headers with large
// payloads at every step. The search must not spend itself on them: a frame behind a megabyte of
// them is still found.
TEST(SearchTail, DataThatLooksLikeHeadersHidesNothing) {
  SegmentBuilder segment(kSeed, std::size_t{4} << 20);
  segment.add({.lsn = 1, .durable_distance = 1, .payload = "one"});
  std::string ones;
  while (ones.size() < (std::size_t{3} << 20)) ones += std::string("\x01\x00", 2);
  const std::size_t second = segment.add({.lsn = 2, .durable_distance = 1, .payload = ones});
  const std::size_t third = segment.add({.lsn = 3, .durable_distance = 1, .payload = "three"});
  segment.flip(second + 100, 0);
  const SegmentScan found = scan(segment);
  ASSERT_EQ(found.end, second);
  const Tail tail = tail_of(segment, found);
  EXPECT_TRUE(tail.search.proves_rot);
  EXPECT_EQ(tail.frames, std::vector<std::size_t>{third});
}

// Whatever the bytes: nothing outside them is read, and the walk ends. Sanitizers see the rest.
TEST(SearchTail, SurvivesRandomBytes) {
  SeededRandom random(test::seed());
  for (int round = 0; round < 50; ++round) {
    SegmentBuilder segment(kSeed, kMinSegmentBytes);
    for (std::size_t at = 0; at < segment.text().size(); at += 8) {
      // Small numbers, so that kinds and lengths are often possible ones.
      const std::uint64_t word = random.next_u64() & random.next_u64() & random.next_u64();
      std::memcpy(segment.text().data() + at, &word, sizeof word);
    }
    const SegmentScan found = scan(segment);
    const Tail tail = tail_of(segment, found);
    EXPECT_LE(tail.search.bytes, segment.text().size());
  }
}

}  // namespace
}  // namespace nacre::wal
