// A WAL in the block domain over a device that fails, lies, delays and reorders.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "nacre/emulation/fault_device.h"
#include "tests/support/seed.h"
#include "tests/wal/fault_fixture.h"

namespace nacre {
namespace {

using test::has_code;
using test::LogPlace;
using test::text_of;
using test::texts;

constexpr std::size_t kRecordBytes = 3000;

/// One log on its device, from one seed.
class DeviceLog {
 public:
  DeviceLog(std::uint64_t seed, const FaultDeviceOptions& options, std::size_t threads = 4)
      : files_(posix_, {.seed = seed}),
        device_(make_io_backend(posix_, {.engine = IoEngine::kPosix, .threads = threads}).value(),
                files_, options) {}

  FaultPlan& plan() { return files_.plan(); }
  FaultDevice& device() { return device_; }
  std::filesystem::path path() const { return directory_->path() / "log"; }

  Result<Wal> open() { return Wal::open(path(), options(&files_, &device_)); }
  /// Past everything that can go wrong.
  Result<Wal> open_without_faults() { return Wal::open(path(), options(&posix_, nullptr)); }

  void plan_for_segments(Fault fault) {
    fault.path_contains = ".seg";
    faults_.push_back(plan().add(std::move(fault)));
  }
  std::uint64_t hits() {
    std::uint64_t sum = 0;
    for (const std::size_t fault : faults_) sum += plan().hits(fault);
    return sum;
  }

 private:
  static WalOptions options(FileSystem* files, IoBackend* io) {
    return {.lanes = 1,
            .segment_bytes = kMinSegmentBytes,
            .spare_segments = 0,
            .domain = DomainRequest::kBlock,
            .environment = {.file_system = files, .io = io}};
  }

  std::unique_ptr<test::TempDirectory> directory_ = test::directory_for(LogPlace::kBlock);
  PosixFileSystem posix_;
  FaultFileSystem files_;
  FaultDevice device_;
  std::vector<std::size_t> faults_;
};

std::vector<std::string> contents(const Wal& wal) {
  std::vector<std::string> all;
  EXPECT_OK(wal.replay([&](std::uint32_t, const RecordView& record) {
    all.emplace_back(as_text(record.payload));
    return Status();
  }));
  return all;
}

/// Submits records until one is refused, and waits for each `lag` behind; returns how many were
/// acknowledged.
std::uint64_t append_with_lag(Wal& wal, std::uint64_t records, std::uint64_t lag,
                              std::optional<Error>& refused) {
  std::vector<Lsn> tickets;
  std::uint64_t acknowledged = 0;
  const auto wait_for_next = [&] {
    const Status durable = wal.lane(0).wait(tickets[acknowledged]);
    if (durable) {
      ++acknowledged;
    } else {
      refused = durable.error();
    }
    return durable.has_value();
  };
  for (std::uint64_t i = 1; i <= records; ++i) {
    const auto ticket = wal.lane(0).submit(as_bytes(text_of(i, kRecordBytes)));
    if (!ticket) {
      refused = ticket.error();
      break;
    }
    tickets.push_back(*ticket);
    if (tickets.size() - acknowledged > lag && !wait_for_next()) return acknowledged;
  }
  while (acknowledged < tickets.size() && wait_for_next()) continue;
  return acknowledged;
}

TEST(WalFaultDevice, AFailedCommitPoisonsTheLaneWithItsFirstError) {
  for (const int sys_errno : {EIO, ENOSPC}) {
    DeviceLog log(test::seed(), {});
    {
      ASSERT_OK_AND_ASSIGN(Wal wal, log.open());
      for (std::uint64_t i = 1; i <= 3; ++i) {
        ASSERT_OK(wal.lane(0).append(as_bytes(text_of(i, kRecordBytes))));
      }
      log.plan_for_segments({.operation = FileOperation::kWrite, .sys_errno = sys_errno});
      const auto failed = wal.lane(0).append(as_bytes("lost"));
      // Of no use is `no_space`, which a caller answers by making room and trying again: that was
      // once what a full device below a segment got, and no append ever came through.
      ASSERT_THAT(failed, has_code(ErrorCode::kIo));
      EXPECT_EQ(failed.error().message().find("try again"), std::string::npos);
      EXPECT_EQ(failed.error().sys_errno(), sys_errno);
      EXPECT_THAT(failed.error().path(), testing::EndsWith(".seg"));
      EXPECT_TRUE(failed.error().offset().has_value());
      EXPECT_EQ(log.hits(), 1U) << "and the device works again";
      const std::string first = failed.error().to_string();
      EXPECT_EQ(wal.lane(0).append(as_bytes("x")).error().to_string(), first);
      EXPECT_EQ(wal.close().error().to_string(), first);
    }
    ASSERT_OK_AND_ASSIGN(Wal again, log.open_without_faults());
    EXPECT_EQ(contents(again), texts(1, 3, kRecordBytes));
  }
}

TEST(WalFaultDevice, AStuckCommitIsAcknowledgedWhenItIsDone) {
  DeviceLog log(test::seed(), {});
  ASSERT_OK_AND_ASSIGN(Wal wal, log.open());
  // The first record also has headers written, past the device.
  ASSERT_OK(wal.lane(0).append(as_bytes("early")));
  log.plan_for_segments({.operation = FileOperation::kWrite, .effect = FaultEffect::kStuck});
  std::thread appender([&] { EXPECT_OK(wal.lane(0).append(as_bytes("late"))); });
  while (log.device().stuck() == 0) std::this_thread::yield();
  EXPECT_EQ(wal.lane(0).durable_lsn(), Lsn{1});
  EXPECT_EQ(log.device().release_stuck(), 1U);
  appender.join();
  ASSERT_OK(wal.close());
  ASSERT_OK_AND_ASSIGN(Wal again, log.open_without_faults());
  EXPECT_EQ(contents(again), (std::vector<std::string>{"early", "late"}));
}

TEST(WalFaultDevice, PiecesDelaysAndDisorderAreNotNoticed) {
  for (std::uint64_t i = 0; i < 10; ++i) {
    SCOPED_TRACE(fmt::format("seed {}", test::seed() + i));
    DeviceLog log(test::seed() + i, {.split_transfers = true, .reorder_window = 8}, i % 2 * 4);
    log.plan_for_segments({.operation = FileOperation::kWrite,
                           .effect = FaultEffect::kSlow,
                           .times = Fault::kAlways,
                           .probability = 0.3,
                           .slow_completions = 4});
    std::optional<Error> refused;
    {
      ASSERT_OK_AND_ASSIGN(Wal wal, log.open());
      ASSERT_EQ(append_with_lag(wal, 100, 16, refused), 100U);
      EXPECT_FALSE(refused.has_value());
      // Not closed: nothing but the acknowledgements says what must be there.
      EXPECT_GT(log.hits(), 0U);
    }
    ASSERT_OK_AND_ASSIGN(Wal again, log.open_without_faults());
    EXPECT_EQ(contents(again), texts(1, 100, kRecordBytes));
  }
}

// A device that says when it fails loses nothing that was acknowledged.
TEST(WalFaultDevice, AnHonestDeviceKeepsWhatWasAcknowledged) {
  std::uint64_t poisonings = 0;
  for (std::uint64_t i = 0; i < 40; ++i) {
    SCOPED_TRACE(fmt::format("seed {}", test::seed() + i));
    DeviceLog log(test::seed() + i, {.split_transfers = i % 3 == 0, .reorder_window = i % 9},
                  i % 2 * 4);
    std::uint64_t acknowledged = 0;
    std::optional<Error> refused;
    {
      ASSERT_OK_AND_ASSIGN(Wal wal, log.open());
      for (const std::uint64_t torn : {0U, 512U, 4096U, 6000U}) {
        log.plan_for_segments({.operation = FileOperation::kWrite,
                               .effect = FaultEffect::kTornWrite,
                               .times = Fault::kAlways,
                               .probability = 0.01,
                               .torn_bytes = torn});
      }
      acknowledged = append_with_lag(wal, 100, i % 20, refused);
      log.plan().clear();
      EXPECT_EQ(refused.has_value(), log.hits() > 0);
      if (refused) {
        EXPECT_EQ(refused->sys_errno(), EIO);
        // A segment that could not be made is a record refused; the lane goes on.
        const bool poisoned = !refused->path().ends_with(".tmp");
        const auto next = wal.lane(0).append(as_bytes(text_of(acknowledged + 1, kRecordBytes)));
        EXPECT_EQ(next.has_value(), !poisoned) << refused->to_string();
        if (!next) {
          EXPECT_EQ(next.error().to_string(), refused->to_string());
          ++poisonings;
        }
      }
    }
    ASSERT_OK_AND_ASSIGN(Wal again, log.open_without_faults());
    const std::vector<std::string> found = contents(again);
    ASSERT_GE(found.size(), acknowledged);
    EXPECT_TRUE(found == texts(1, found.size(), kRecordBytes));
  }
  EXPECT_GT(poisonings, 0U);
}

// A device that lies can lose what it acknowledged, and the log cannot know of a tail that never
// came. But what it shows was written, in order, and without a gap.
TEST(WalFaultDevice, ALyingDeviceIsNeverBelievedAboutContents) {
  std::uint64_t lies = 0;
  for (std::uint64_t i = 0; i < 40; ++i) {
    SCOPED_TRACE(fmt::format("seed {}", test::seed() + i));
    DeviceLog log(test::seed() + i, {.reorder_window = i % 9}, i % 2 * 4);
    std::optional<Error> refused;
    {
      ASSERT_OK_AND_ASSIGN(Wal wal, log.open());
      for (const FaultEffect effect :
           {FaultEffect::kSkip, FaultEffect::kTornWrite, FaultEffect::kMisdirectedWrite}) {
        log.plan_for_segments({.operation = FileOperation::kWrite,
                               .effect = effect,
                               .sys_errno = 0,
                               .times = Fault::kAlways,
                               .probability = 0.01,
                               .torn_bytes = 512});
      }
      append_with_lag(wal, 60, i % 20, refused);
      EXPECT_FALSE(refused.has_value());
      log.plan().clear();
    }
    lies += log.hits();
    const auto again = log.open_without_faults();
    if (!again) {
      EXPECT_THAT(again, has_code(ErrorCode::kCorruption));
      EXPECT_GT(log.hits(), 0U);
      continue;
    }
    const std::vector<std::string> found = contents(*again);
    EXPECT_TRUE(found == texts(1, found.size(), kRecordBytes));
    EXPECT_TRUE(found.size() == 60 || log.hits() > 0) << found.size();
  }
  EXPECT_GT(lies, 0U);
}

}  // namespace
}  // namespace nacre
