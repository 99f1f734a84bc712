#include "wal/inspect.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <mutex>
#include <string>
#include <vector>

#include "nacre/emulation/fault_file_system.h"
#include "tests/wal/recovery_fixture.h"
#include "wal/lane_registry.h"

namespace nacre::wal {
namespace {

using test::flip_bit;
using test::has_code;
using test::LogPlace;

class InspectTest : public test::RecoveryFixture {
 protected:
  Result<VerifyReport> verify() { return verify_lanes(files_, executor_, log()); }
  /// Verifies, expecting that nothing is changed by it.
  VerifyReport report() {
    const auto before = test::directory_content(log());
    auto found = verify();
    EXPECT_OK(found);
    EXPECT_THAT(test::changed_files(before, test::directory_content(log())), testing::IsEmpty());
    return found ? *std::move(found) : VerifyReport();
  }
  static std::vector<std::string> paths(const VerifyReport& report) {
    std::vector<std::string> all;
    for (const Error& error : report.damage) all.push_back(error.path());
    return all;
  }
  /// Records 1 to `count` in segments of 64 KiB, as a crash leaves them.
  void make_crashed(std::uint64_t count, std::size_t bytes = 3000) {
    auto wal = try_open();
    ASSERT_OK(wal);
    append(*wal, 1, count, bytes);
    crash(*std::move(wal));
  }

  PosixFileSystem posix_;
  FaultFileSystem files_{posix_};
};

INSTANTIATE_TEST_SUITE_P(Domain, InspectTest,
                         testing::Values(LogPlace::kBlock, LogPlace::kEmulatedInMemory),
                         test::place_name);

TEST_P(InspectTest, TellsEachSegmentToWhoeverWatches) {
  make_crashed(60);
  std::mutex mutex;
  RecoveryReport told;
  std::size_t of_segments = 0;
  ASSERT_OK_AND_ASSIGN(const VerifyReport found,
                       verify_lanes(files_, executor_, log(), [&](const ScannedSegment& scanned) {
                         const std::lock_guard lock(mutex);
                         told.segments += 1;
                         told.records += scanned.records;
                         told.bytes += scanned.bytes;
                         of_segments = scanned.of_segments;
                       }));
  EXPECT_GT(found.scanned.segments, 1U);
  EXPECT_EQ(told.segments, found.scanned.segments);
  EXPECT_EQ(of_segments, found.scanned.segments);
  EXPECT_EQ(told.records, found.scanned.records);
  EXPECT_EQ(told.bytes, found.scanned.bytes);
}

TEST_P(InspectTest, ASoundLogHasNoDamage) {
  {
    ASSERT_OK_AND_ASSIGN(Wal wal, try_open(3));
    for (int i = 0; i < 40; ++i) {
      ASSERT_OK(wal.lane(i % 2 == 0 ? 0 : 2).append(as_bytes(test::text_of(1, 3000))));
    }
    ASSERT_OK(wal.truncate(Lsn{30}));
    ASSERT_OK(wal.close());
  }
  const VerifyReport found = report();
  EXPECT_THAT(found.damage, testing::IsEmpty());
  EXPECT_EQ(found.lanes, (std::vector<std::uint32_t>{0, 2}));
  EXPECT_EQ(found.superblock.kind, LogKind::kWal);
  EXPECT_EQ(found.superblock.segment_bytes, kMinSegmentBytes);
  EXPECT_EQ(found.damaged_slots, 0U);
  EXPECT_TRUE(found.scanned.clean_shutdown);
  ASSERT_OK_AND_ASSIGN(const Wal wal, try_open(3));
  EXPECT_EQ(found.scanned.records, contents(wal).size());
  EXPECT_EQ(found.free_segments + found.scanned.segments, test::segment_files(log()).size());
}

TEST_P(InspectTest, MayStandBesideAWriter) {
  ASSERT_OK_AND_ASSIGN(Wal wal, try_open());
  append(wal, 1, 30, 3000);
  const VerifyReport found = report();
  EXPECT_THAT(found.damage, testing::IsEmpty());
  EXPECT_EQ(found.scanned.records, 30U);
  EXPECT_FALSE(found.scanned.clean_shutdown);
}

TEST_P(InspectTest, ATornTailIsNoDamage) {
  make_crashed(3);
  damage(3);
  const VerifyReport found = report();
  EXPECT_THAT(found.damage, testing::IsEmpty());
  EXPECT_EQ(found.scanned.torn_tails, 1U);
  EXPECT_EQ(found.scanned.records, 2U);
}

TEST_P(InspectTest, ATornHeaderSlotIsCountedAndIsNoDamage) {
  make_crashed(3);
  const test::SegmentFile file = newest();
  flip_bit(file.path, (1 - file.slot) * kSegmentSlotBytes + 30);
  const VerifyReport found = report();
  EXPECT_THAT(found.damage, testing::IsEmpty());
  EXPECT_EQ(found.damaged_slots, 1U);
}

TEST_P(InspectTest, EveryDamageIsListed) {
  make_crashed(60);
  const auto segments = test::lane_files(log());
  ASSERT_GE(segments.size(), 4U);
  for (const std::size_t i : {std::size_t{0}, std::size_t{2}}) {
    const auto frames = test::record_frames_of(segments[i].path);
    flip_bit(segments[i].path, frames[1].offset + 100);
  }
  flip_bit(log() / kLanesName, 17);
  const VerifyReport found = report();
  EXPECT_THAT(paths(found),
              testing::UnorderedElementsAre((log() / kLanesName).string(),
                                            segments[0].path.string(), segments[2].path.string()));
  for (const Error& error : found.damage) EXPECT_EQ(error.code(), ErrorCode::kCorruption);
}

TEST_P(InspectTest, WhatIsNoLogCannotBeLookedAt) {
  EXPECT_THAT(verify(), has_code(ErrorCode::kNotFound));
  make_crashed(3);
  flip_bit(log() / kSuperblockName, 30);
  EXPECT_THAT(verify(), has_code(ErrorCode::kCorruption));
  flip_bit(log() / kSuperblockName, 30);
  files_.plan().add({.operation = FileOperation::kListDirectory, .sys_errno = EIO});
  EXPECT_THAT(verify(), has_code(ErrorCode::kIo));
}

TEST_P(InspectTest, ASegmentShowsItsFramesInOrder) {
  ASSERT_OK_AND_ASSIGN(Wal wal, try_open());
  append(wal, 1, 2);
  const std::vector<std::string> batch = {"a", "b", "c"};
  ASSERT_OK(wal.lane(0).append_batch({{as_bytes(batch[0]), as_bytes(batch[1])}}));
  crash(std::move(wal));
  std::vector<FrameKind> kinds;
  std::uint64_t records = 0;
  ASSERT_OK_AND_ASSIGN(const SegmentInspection found,
                       inspect_segment(files_, newest().path, [&](const FrameRead& frame) {
                         kinds.push_back(frame.kind);
                         records += frame.records;
                         return true;
                       }));
  EXPECT_EQ(records, 4U);
  using enum FrameKind;
  EXPECT_EQ(kinds, block() ? (std::vector<FrameKind>{kData, kPad, kData, kPad, kBatch, kPad})
                           : (std::vector<FrameKind>{kData, kData, kBatch}));
  EXPECT_EQ(found.file_bytes, kMinSegmentBytes);
  EXPECT_EQ(found.scan.records, 4U);
  EXPECT_EQ(found.header.state.use, SegmentUse::kActive);
  EXPECT_EQ(found.slots[found.header.slot].state, found.header.state);
  EXPECT_EQ(found.tail.frames, 0U);
}

TEST_P(InspectTest, TheVisitorMayStop) {
  make_crashed(5, 100);
  int seen = 0;
  ASSERT_OK(
      inspect_segment(files_, newest().path, [&seen](const FrameRead&) { return ++seen < 2; }));
  EXPECT_EQ(seen, 2);
}

TEST_P(InspectTest, FramesBehindTheEndAreSearchedFor) {
  make_crashed(5, 100);
  damage(3);
  ASSERT_OK_AND_ASSIGN(
      const SegmentInspection found,
      inspect_segment(files_, newest().path, [](const FrameRead&) { return true; }));
  EXPECT_EQ(found.scan.records, 2U);
  EXPECT_EQ(found.scan.fault, FrameFault::kChecksum);
  EXPECT_TRUE(found.tail.proves_rot);
}

TEST_P(InspectTest, AFileThatIsNoSegmentIsAnError) {
  const auto inspect = [this](const std::filesystem::path& path) {
    return inspect_segment(files_, path, [](const FrameRead&) { return true; });
  };
  EXPECT_THAT(inspect(directory_->path() / "none"), has_code(ErrorCode::kNotFound));
  const auto path = directory_->path() / "file";
  for (const std::size_t bytes : {1U, 100U, 8191U, 8192U, 70'000U}) {
    test::write_content(path, std::string(bytes, 'x'));
    EXPECT_THAT(inspect(path), has_code(ErrorCode::kCorruption)) << bytes;
  }
  test::write_content(path, "");
  EXPECT_FALSE(inspect(path).has_value());
}

}  // namespace
}  // namespace nacre::wal
