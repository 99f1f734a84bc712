// What a writer that died left visible, but perhaps not durable, is made durable before anything
// builds on it. Each test is the story of a hole: a power cut some time after a kill would have
// lost what had been acknowledged in between.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <filesystem>
#include <optional>
#include <semaphore>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "mmap/segment_format.h"
#include "nacre/emulation/fault_file_system.h"
#include "nacre/executor.h"
#include "nacre/pmem.h"
#include "nacre/wal.h"
#include "tests/support/file_bytes.h"
#include "tests/support/result_matchers.h"
#include "tests/support/temp_directory.h"
#include "tests/wal/log_files.h"
#include "tests/wal/recording_domain.h"
#include "wal/record_format.h"

namespace nacre {
namespace {

using test::has_code;

class SettleTest : public testing::Test {
 protected:
  Result<Wal> open(DomainRequest domain, const std::filesystem::path& path) {
    WalOptions options;
    options.segment_bytes = kMinSegmentBytes;
    // What the files hold at a kill must not depend on what runs in the background.
    options.spare_segments = 0;
    options.domain = domain;
    options.environment.file_system = &files_;
    options.environment.executor = &executor_;
    return Wal::open(path, options);
  }
  Result<Wal> open(DomainRequest domain) { return open(domain, log_); }

  /// The files as they are, as after a kill.
  std::filesystem::path killed() {
    const auto copy = home_.path() / ("killed" + std::to_string(++kills_));
    test::copy_log(log_, copy);
    return copy;
  }

  static void flip_bit(const std::filesystem::path& path, std::uint64_t offset) {
    PosixFileSystem files;
    ASSERT_OK_AND_ASSIGN(auto file, files.open(path, {.writable = true}));
    std::array<std::byte, 1> byte{};
    ASSERT_OK(file->read_at(offset, byte));
    byte[0] ^= std::byte{1};
    ASSERT_OK(file->write_at(offset, byte));
  }

  /// Through `domain`.
  Result<Wal> open(pmem::Domain& domain, const std::filesystem::path& path) {
    return Wal::open(
        path, {.segment_bytes = kMinSegmentBytes,
               .spare_segments = 0,
               .environment = {.file_system = &files_, .executor = &executor_, .domain = &domain}});
  }

  std::vector<FileEvent> trace() { return files_.plan().trace(); }

  std::size_t count(FileOperation operation, const std::filesystem::path& path) {
    const auto events = trace();
    return static_cast<std::size_t>(std::ranges::count_if(events, [&](const FileEvent& event) {
      return event.operation == operation && event.path == path;
    }));
  }

  std::filesystem::path segment(int id) const {
    return log_ / "segments" / ("000000000000000" + std::to_string(id) + ".seg");
  }

  test::TempDirectory home_;
  std::filesystem::path log_ = home_.path() / "log";
  PosixFileSystem kernel_;
  FaultFileSystem files_{kernel_};
  DeterministicExecutor executor_{1};
  int kills_ = 0;
};

// The superblock or a segment had its name, but the directory had not been synced when the writer
// was killed; the next one acknowledged records behind a name that a power cut took away.
TEST_F(SettleTest, NamesAreDurableBeforeAnythingIsWritten) {
  ASSERT_OK(open(DomainRequest::kBlock));
  files_.plan().clear_trace();
  ASSERT_OK_AND_ASSIGN(Wal wal, open(DomainRequest::kBlock));
  EXPECT_EQ(count(FileOperation::kSyncDirectory, home_.path()), 1U);
  EXPECT_EQ(count(FileOperation::kSyncDirectory, log_), 1U);
  EXPECT_EQ(count(FileOperation::kSyncDirectory, log_ / "segments"), 1U);
}

// A log written in the emulated domain was only in the page cache. Opened in the block domain it
// acknowledged records as safe from power loss, in front of which everything else was missing then.
TEST_F(SettleTest, WhatTheEmulatedDomainWroteIsSyncedByADomainThatSurvivesPowerLoss) {
  {
    ASSERT_OK_AND_ASSIGN(Wal wal, open(DomainRequest::kEmulated));
    for (int i = 0; i < 50; ++i) {
      ASSERT_OK(wal.lane(0).append(as_bytes(std::string(3000, 'e'))));
    }
    ASSERT_OK(wal.close());
  }
  // Not simply the first three: a spare made in the background may stay behind one that could not
  // wait for it.
  const auto written = test::lane_files(log_);
  ASSERT_EQ(written.size(), 3U);
  files_.plan().clear_trace();
  ASSERT_OK(open(DomainRequest::kBlock));
  for (const auto& file : written) {
    EXPECT_GE(count(FileOperation::kSyncData, file.path), 1U) << file.path;
  }
  files_.plan().clear_trace();
  ASSERT_OK(open(DomainRequest::kBlock));
  for (const auto& file : written) {
    EXPECT_EQ(count(FileOperation::kSyncData, file.path), 0U) << "once is enough";
  }
}

// The clean mark had been read from the device's cache; clearing it wrote over the other slot, the
// only durable one.
TEST_F(SettleTest, AHeaderIsDurableBeforeItsOtherSlotIsWritten) {
  {
    ASSERT_OK_AND_ASSIGN(Wal wal, open(DomainRequest::kBlock));
    ASSERT_OK(wal.lane(0).append(as_bytes("x")));
    ASSERT_OK(wal.close());
  }
  ASSERT_OK_AND_ASSIGN(Wal wal, open(DomainRequest::kBlock));
  files_.plan().clear_trace();
  ASSERT_OK(wal.lane(0).append(as_bytes("y")));
  bool synced = false;
  for (const FileEvent& event : trace()) {
    if (event.path != segment(1)) continue;
    if (event.operation == FileOperation::kSyncData) synced = true;
    if (event.operation == FileOperation::kWrite && event.offset < kSegmentDataOffset) {
      EXPECT_TRUE(synced);
      return;
    }
  }
  FAIL() << "no header was written";
}

// The header that made the segment the lane's had only been seen in the processor's cache; records
// behind it were acknowledged, and a power cut made the segment a free one.
TEST_F(SettleTest, TheNewestHeaderIsDurableBeforeItsLaneGoesOn) {
  std::filesystem::create_directory(log_);
  ASSERT_OK_AND_ASSIGN(auto inner, pmem::choose_domain(files_, log_, DomainRequest::kEmulated));
  test::RecordingDomain domain(std::move(inner));
  ASSERT_OK_AND_ASSIGN(Wal killed_one, open(domain, log_));
  ASSERT_OK(killed_one.lane(0).append(as_bytes("x")));
  const auto copy = killed();
  domain.events().clear();
  ASSERT_OK_AND_ASSIGN(Wal wal, open(domain, copy));
  ASSERT_OK(wal.lane(0).append(as_bytes("y")));
  bool flushed = false;
  bool durable = false;
  for (const test::RegionEvent& event : domain.events()) {
    if (event.operation == test::RegionOperation::kFlush && event.offset == 0) {
      flushed = event.bytes == kSegmentDataOffset;
    }
    if (event.operation == test::RegionOperation::kFence) durable = flushed;
    if (event.operation == test::RegionOperation::kStream) {
      EXPECT_TRUE(durable);
      return;
    }
  }
  FAIL() << "nothing was appended";
}

// The header that gave a segment up had only been seen; the segment was freed, and after a power
// cut an older header missed it.
TEST_F(SettleTest, AHeaderThatGaveUpSegmentsIsDurableBeforeTheyAreFreed) {
  for (const bool memory : {false, true}) {
    std::filesystem::remove_all(log_);
    {
      ASSERT_OK_AND_ASSIGN(Wal wal,
                           open(memory ? DomainRequest::kEmulated : DomainRequest::kBlock));
      for (int i = 0; i < 50; ++i) {
        ASSERT_OK(wal.lane(0).append(as_bytes(std::string(3000, 'r'))));
      }
      ASSERT_OK(wal.close());
    }
    // Killed between the two steps of a truncation.
    const auto written = test::lane_files(log_);
    const auto& newest = written.back();
    SegmentState state = newest.state;
    state.sequence += 1;
    state.first_lane_sequence = state.lane_sequence;
    state.unsynced = false;
    test::write_slot(newest.path, 1 - newest.slot, state);

    ASSERT_OK_AND_ASSIGN(
        auto inner, pmem::choose_domain(files_, log_,
                                        memory ? DomainRequest::kEmulated : DomainRequest::kBlock));
    test::RecordingDomain domain(std::move(inner));
    files_.plan().clear_trace();
    std::uint64_t freed_after = 0;
    files_.plan().before_each([&](const FileEvent& event) {
      const bool writes = event.operation == FileOperation::kOpen && event.options.writable;
      if (writes && event.path == written.front().path && freed_after == 0) {
        freed_after = domain.events().size() + count(FileOperation::kSyncData, newest.path);
      }
    });
    ASSERT_OK(open(domain, log_));
    files_.plan().before_each({});
    EXPECT_GT(freed_after, 0U) << "freed before anything was made durable";
    EXPECT_EQ(test::lane_files(log_).size(), 1U);
  }
}

// A log of the block domain that was only truncated in the emulated one did not say that its newest
// header was in no more than the page cache.
TEST_F(SettleTest, EveryHeaderOfTheEmulatedDomainSaysThatItIsUnsynced) {
  {
    ASSERT_OK_AND_ASSIGN(Wal wal, open(DomainRequest::kBlock));
    for (int i = 0; i < 50; ++i) {
      ASSERT_OK(wal.lane(0).append(as_bytes(std::string(3000, 'u'))));
    }
    ASSERT_OK(wal.close());
  }
  EXPECT_FALSE(test::lane_files(log_).back().state.unsynced);
  {
    ASSERT_OK_AND_ASSIGN(Wal wal, open(DomainRequest::kEmulated));
    ASSERT_OK(wal.truncate(Lsn{50}));
    ASSERT_OK(wal.close());
  }
  EXPECT_EQ(test::lane_files(log_).size(), 1U);
  EXPECT_TRUE(test::lane_files(log_).back().state.unsynced);
  const auto newest = test::lane_files(log_).back().path;
  files_.plan().clear_trace();
  ASSERT_OK(open(DomainRequest::kBlock));
  EXPECT_GE(count(FileOperation::kSyncData, newest), 1U);
  EXPECT_FALSE(test::lane_files(log_).back().state.unsynced);
}

// A block was written once for each stale frame in it: as many chances to tear what had just been
// cleared.
TEST_F(SettleTest, StaleFramesThatShareABlockAreErasedByOneWrite) {
  ASSERT_OK_AND_ASSIGN(Wal killed_one, open(DomainRequest::kBlock));
  Lsn last;
  for (int i = 0; i < 200; ++i) {
    ASSERT_OK_AND_ASSIGN(last, killed_one.lane(0).submit(as_bytes(std::string(90, 's'))));
  }
  ASSERT_OK(killed_one.lane(0).wait(last));
  const auto copy = killed();
  const auto path = copy / "segments" / segment(1).filename();
  const auto frames = test::record_frames_of(path);
  ASSERT_EQ(frames.size(), 200U);
  test::flip_bit(path, frames[10].offset + 30);
  files_.plan().clear_trace();
  ASSERT_OK_AND_ASSIGN(const Wal wal, open(DomainRequest::kBlock, copy));
  EXPECT_EQ(wal.recovery().torn_tails, 1U);
  std::size_t writes = 0;
  for (const FileEvent& event : trace()) {
    if (event.operation != FileOperation::kWrite || event.path != path) continue;
    if (event.offset < kSegmentDataOffset) continue;
    ++writes;
    EXPECT_EQ(event.offset, kSegmentDataOffset + wal::kBlockBytes);
  }
  EXPECT_EQ(writes, 1U);
}

// The pad behind a lone commit is no record, and its loss once looked like a torn tail: every
// intact commit behind it was cut off.
TEST_F(SettleTest, ARottenPadInFrontOfACommitIsRot) {
  ASSERT_OK_AND_ASSIGN(Wal wal, open(DomainRequest::kBlock));
  ASSERT_OK(wal.lane(0).append(as_bytes("first")));
  ASSERT_OK(wal.lane(0).append(as_bytes("second")));
  const auto copy = killed();
  flip_bit(copy / "segments" / segment(1).filename(),
           kSegmentDataOffset + wal::frame_bytes(5) + sizeof(le32));
  EXPECT_THAT(open(DomainRequest::kBlock, copy), has_code(ErrorCode::kCorruption));
  ASSERT_OK(open(DomainRequest::kBlock, killed()));
}

// The same for the frame that says where a reopened log goes on.
TEST_F(SettleTest, ARottenResumeFrameInFrontOfACommitIsRot) {
  {
    ASSERT_OK_AND_ASSIGN(Wal wal, open(DomainRequest::kEmulated));
    ASSERT_OK(wal.lane(0).append(as_bytes("first")));
    ASSERT_OK(wal.close());
  }
  for (const DomainRequest domain : {DomainRequest::kBlock, DomainRequest::kEmulated}) {
    ASSERT_OK_AND_ASSIGN(Wal wal, open(domain, killed()));
    log_ = home_.path() / ("killed" + std::to_string(kills_));
    ASSERT_OK(wal.lane(0).append(as_bytes("second")));
    const auto copy = killed();
    flip_bit(copy / "segments" / segment(1).filename(),
             kSegmentDataOffset + wal::kBlockBytes + sizeof(le32));
    EXPECT_THAT(open(domain, copy), has_code(ErrorCode::kCorruption));
    log_ = home_.path() / "log";
  }
}

TEST_F(SettleTest, ALogOfManySegmentsKeepsFewDescriptors) {
  const auto descriptors = [] {
    const std::filesystem::directory_iterator open("/proc/self/fd");
    return std::distance(begin(open), end(open));
  };
  const auto at_first = descriptors();
  {
    ASSERT_OK_AND_ASSIGN(Wal wal, open(DomainRequest::kEmulated));
    for (int i = 0; i < 1000; ++i) {
      ASSERT_OK(wal.lane(0).append(as_bytes(std::string(4000, 'd'))));
    }
    EXPECT_LT(descriptors() - at_first, 10) << "while it was written";
  }
  const auto before = descriptors();
  ASSERT_OK_AND_ASSIGN(Wal wal, open(DomainRequest::kEmulated));
  std::size_t records = 0;
  ASSERT_OK(wal.replay([&](std::uint32_t, const RecordView&) {
    ++records;
    return Status();
  }));
  EXPECT_EQ(records, 1000U);
  EXPECT_LT(descriptors() - before, 10);
}

// Closing once waited for callbacks with locks held that the callbacks' own calls needed.
TEST_F(SettleTest, ClosingWaitsForCallbacksThatCallTheLog) {
  ASSERT_OK_AND_ASSIGN(Wal wal, open(DomainRequest::kBlock));
  Lane lane = wal.lane(0);
  int called = 0;
  for (int i = 0; i < 20; ++i) {
    ASSERT_OK_AND_ASSIGN(const Lsn lsn, lane.submit(as_bytes("x")));
    lane.on_durable(lsn, [&called, lane, lsn](Status status) mutable {
      EXPECT_TRUE(test::is_ok(status));
      EXPECT_GE(lane.durable_lsn(), lsn);
      static_cast<void>(lane.submit(as_bytes("from a callback")));
      ++called;
    });
  }
  ASSERT_OK(wal.close());
  EXPECT_EQ(called, 20);
}

// Callbacks that run on a thread which waits for a record are nobody's background task, and closing
// did not wait for them: the callback looked at a log that was gone.
TEST_F(SettleTest, ClosingWaitsForCallbacksOnAThreadThatWaits) {
  std::optional<Wal> wal(*open(DomainRequest::kBlock));
  Lane lane = wal->lane(0);
  std::binary_semaphore called(0);
  std::binary_semaphore leave(0);
  std::atomic<bool> left = false;
  ASSERT_OK_AND_ASSIGN(const Lsn lsn, lane.submit(as_bytes("x")));
  lane.on_durable(lsn, [&](const Status&) {
    called.release();
    leave.acquire();
    left = true;
  });
  std::thread waiter([&] { EXPECT_TRUE(test::is_ok(lane.wait(lsn))); });
  called.acquire();
  std::atomic<bool> closed = false;
  std::thread closer([&] {
    EXPECT_TRUE(test::is_ok(wal->close()));
    EXPECT_TRUE(left);
    closed = true;
  });
  // Gives a close that does not wait every chance to come first.
  for (int chance = 0; chance < 10'000 && !closed; ++chance) std::this_thread::yield();
  leave.release();
  closer.join();
  waiter.join();
}

// Sealing the last block moved the tail past the limit that refuses appends: one was accepted
// behind the clean mark, and the log never opened again.
TEST_F(SettleTest, AClosedLaneStaysClosed) {
  {
    ASSERT_OK_AND_ASSIGN(Wal wal, open(DomainRequest::kBlock));
    ASSERT_OK(wal.lane(0).submit(as_bytes("x")));
    ASSERT_OK(wal.close());
    EXPECT_THAT(wal.lane(0).append(as_bytes("late")), has_code(ErrorCode::kClosed));
  }
  ASSERT_OK(open(DomainRequest::kBlock));
}

// A resume frame without a record behind it lay beyond the end that a clean close stated.
TEST_F(SettleTest, AReopenedLogThatTakesNoRecordReopensAgain) {
  for (int life = 0; life < 3; ++life) {
    ASSERT_OK_AND_ASSIGN(Wal wal, open(DomainRequest::kEmulated));
    if (life == 0) {
      ASSERT_OK(wal.lane(0).append(as_bytes("first")));
    } else {
      ASSERT_OK(wal.lane(0).claim(10));
    }
    ASSERT_OK(wal.close());
  }
}

// On a full disk the first append after an opening wrote its resume frame, found no room in the
// segment, and none for another one. Nothing may be lost by that, and appends resume with the room.
TEST_F(SettleTest, AResumeThatFindsTheDiskFullLosesNothing) {
  for (const DomainRequest domain : {DomainRequest::kBlock, DomainRequest::kEmulated}) {
    std::filesystem::remove_all(log_);
    const std::string small(1000, 's');
    const std::string large(50'000, 'l');
    {
      ASSERT_OK_AND_ASSIGN(Wal wal, open(domain));
      ASSERT_OK(wal.lane(0).append(as_bytes(small)));
      ASSERT_OK(wal.lane(0).append(as_bytes(large)));
      ASSERT_OK(wal.close());
    }
    const auto records = [](const Wal& wal) {
      std::size_t count = 0;
      EXPECT_OK(wal.replay([&](std::uint32_t, const RecordView&) {
        ++count;
        return Status();
      }));
      return count;
    };
    for (int life = 0; life < 2; ++life) {
      files_.set_free_bytes(std::nullopt);
      ASSERT_OK_AND_ASSIGN(Wal wal, open(domain));
      files_.set_free_bytes(0);
      for (int attempt = 0; attempt < 2; ++attempt) {
        EXPECT_THAT(wal.lane(0).append(as_bytes(large)), has_code(ErrorCode::kNoSpace));
      }
      EXPECT_EQ(records(wal), 2U);
      // Closed in the middle of it, and killed.
      if (life == 0) {
        ASSERT_OK(wal.close());
        continue;
      }
      const auto copy = killed();
      files_.set_free_bytes(std::nullopt);
      {
        ASSERT_OK_AND_ASSIGN(Wal beside, open(domain, copy));
        EXPECT_EQ(records(beside), 2U);
        ASSERT_OK(beside.lane(0).append(as_bytes(large)));
        EXPECT_EQ(records(beside), 3U);
      }
      ASSERT_OK(wal.lane(0).append(as_bytes(large)));
      ASSERT_OK(wal.lane(0).append(as_bytes(small)));
      EXPECT_EQ(records(wal), 4U);
      ASSERT_OK(wal.close());
    }
    ASSERT_OK_AND_ASSIGN(const Wal wal, open(domain));
    EXPECT_EQ(records(wal), 4U);
  }
}

// A copy of a log may have holes. On a full disk a store into one was a SIGBUS, and a write into
// one stopped the lane for good.
TEST_F(SettleTest, HolesGetTheirRoomBeforeAnythingIsWritten) {
  for (const DomainRequest domain : {DomainRequest::kBlock, DomainRequest::kEmulated}) {
    std::filesystem::remove_all(log_);
    {
      ASSERT_OK_AND_ASSIGN(Wal wal, open(domain));
      ASSERT_OK(wal.lane(0).append(as_bytes("x")));
      ASSERT_OK(wal.close());
    }
    ASSERT_OK_AND_ASSIGN(Wal wal, open(domain));
    files_.plan().add({.operation = FileOperation::kPreallocate, .sys_errno = ENOSPC});
    EXPECT_THAT(wal.lane(0).append(as_bytes("y")), has_code(ErrorCode::kNoSpace));
    ASSERT_OK(wal.lane(0).append(as_bytes("y")));
    ASSERT_OK(wal.close());
  }
}

// A home directory's parent may often be passed through, but not read.
TEST_F(SettleTest, AParentThatMayNotBeReadIsNoHindrance) {
  ASSERT_OK(open(DomainRequest::kBlock));
  files_.plan().add({.operation = FileOperation::kSyncDirectory,
                     .sys_errno = EACCES,
                     .path_contains = home_.path().filename().string(),
                     .nth = 3});
  ASSERT_OK(open(DomainRequest::kBlock));
  const auto events = trace();
  EXPECT_TRUE(std::ranges::any_of(events, [&](const FileEvent& event) {
    return event.injected && event.path == home_.path();
  }));
}

}  // namespace
}  // namespace nacre
