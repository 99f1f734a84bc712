// What a writer that died left visible, but perhaps not durable, is made durable before anything
// builds on it. Each test is the story of a hole: a power cut some time after a kill would have
// lost what had been acknowledged in between.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <string>
#include <vector>

#include "mmap/segment_format.h"
#include "nacre/emulation/fault_file_system.h"
#include "nacre/wal.h"
#include "tests/support/result_matchers.h"
#include "tests/support/temp_directory.h"
#include "tests/wal/log_files.h"
#include "wal/record_format.h"

namespace nacre {
namespace {

using test::has_code;

class SettleTest : public testing::Test {
 protected:
  Result<Wal> open(DomainRequest domain, const std::filesystem::path& path) {
    WalOptions options;
    options.segment_bytes = kMinSegmentBytes;
    options.domain = domain;
    options.environment.file_system = &files_;
    return Wal::open(path, options);
  }
  Result<Wal> open(DomainRequest domain) { return open(domain, log_); }

  /// The files as they are, as after a kill.
  std::filesystem::path killed() {
    const auto copy = home_.path() / ("killed" + std::to_string(++kills_));
    std::filesystem::copy(log_, copy, std::filesystem::copy_options::recursive);
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
  {
    ASSERT_OK_AND_ASSIGN(Wal wal, open(DomainRequest::kEmulated));
    for (int i = 0; i < 1000; ++i) {
      ASSERT_OK(wal.lane(0).append(as_bytes(std::string(4000, 'd'))));
    }
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

}  // namespace
}  // namespace nacre
