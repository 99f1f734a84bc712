#include "nacre/emulation/fault_device.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "nacre/io_buffer_group.h"
#include "tests/support/aligned_bytes.h"
#include "tests/support/result_matchers.h"
#include "tests/support/seed.h"
#include "tests/support/temp_directory.h"

namespace nacre {
namespace {

using test::AlignedBytes;
using test::has_code;

constexpr std::size_t kBlock = 4096;

/// A device whose backend below has no threads, so that everything happens in an order.
class FaultDeviceTest : public testing::Test {
 protected:
  void make(FaultDeviceOptions options = {}, bool direct = false) {
    options.clock = &clock_;
    io_file_.reset();
    device_ = std::make_unique<FaultDevice>(
        make_io_backend(posix_, {.engine = IoEngine::kPosix, .threads = 0}).value(), files_,
        options);
    file_ = files_.open(path(), {.writable = true, .create = true, .direct = direct}).value();
    io_file_ = std::make_unique<IoFile>(*device_, *file_);
    plan().clear_trace();
  }
  std::filesystem::path path() const { return directory_.path() / "a"; }
  FaultPlan& plan() { return files_.plan(); }

  IoRequest on_file(IoKind kind, std::uint64_t offset = 0, std::uint64_t bytes = 0) {
    IoRequest request;
    request.kind = kind;
    request.file = io_file_.get();
    request.offset = offset;
    request.bytes = bytes;
    return request;
  }
  IoRequest transfer(IoKind kind, std::uint64_t offset, std::span<std::byte> memory) {
    IoRequest request = on_file(kind, offset);
    request.buffers.push_back(IoBuffer::borrow(memory));
    return request;
  }
  IoOperation& submit(IoRequest request) {
    operations_.push_back(std::make_unique<IoOperation>());
    operations_.back()->request = std::move(request);
    IoOperation* const first = operations_.back().get();
    device_->submit({&first, 1}, true);
    return *first;
  }
  /// Reaps until `operation` has come back.
  void wait_for(const IoOperation& operation) {
    std::array<IoOperation*, 8> ended{};
    while (std::ranges::find(came_back_, &operation) == came_back_.end()) {
      const std::size_t count = device_->reap(ended, IoBackend::kForever);
      came_back_.insert(came_back_.end(), ended.begin(), ended.begin() + count);
    }
  }
  /// What comes back without any waiting.
  std::size_t reap_now() {
    std::array<IoOperation*, 64> ended{};
    const std::size_t count = device_->reap(ended, 0);
    came_back_.insert(came_back_.end(), ended.begin(), ended.begin() + count);
    return count;
  }
  IoOperation& run(IoRequest request) {
    IoOperation& operation = submit(std::move(request));
    wait_for(operation);
    return operation;
  }
  Status write(std::uint64_t offset, std::span<std::byte> memory) {
    return run(transfer(IoKind::kWrite, offset, memory)).outcome;
  }
  std::string content() {
    const auto file = posix_.open(path(), {}).value();
    std::string text(file->size().value(), '\0');
    EXPECT_OK(file->read_at(0, std::as_writable_bytes(std::span(text))));
    return text;
  }

  test::TempDirectory directory_;
  PosixFileSystem posix_;
  FaultFileSystem files_{posix_, {.seed = test::seed()}};
  ManualClock clock_;
  std::unique_ptr<FaultDevice> device_;
  std::unique_ptr<File> file_;
  std::unique_ptr<IoFile> io_file_;
  std::vector<std::unique_ptr<IoOperation>> operations_;
  std::vector<IoOperation*> came_back_;
  AlignedBytes one_{2 * kBlock, 1};
  AlignedBytes two_{2 * kBlock, 2};
};

TEST_F(FaultDeviceTest, AnErrorReadsLikeTheKernelsAndBuffersComeBack) {
  make();
  for (const auto& [sys_errno, code] : {std::pair{EIO, ErrorCode::kIo},
                                        {ENOSPC, ErrorCode::kNoSpace},
                                        {EDQUOT, ErrorCode::kNoSpace}}) {
    plan().add({.operation = FileOperation::kWrite, .sys_errno = sys_errno});
    const IoOperation& failed = run(transfer(IoKind::kWrite, kBlock, one_.span()));
    ASSERT_THAT(failed.outcome, has_code(code));
    EXPECT_EQ(failed.outcome.error().sys_errno(), sys_errno);
    EXPECT_EQ(failed.outcome.error().path(), path().string());
    EXPECT_EQ(failed.outcome.error().offset(), kBlock);
    EXPECT_EQ(failed.request.offset, kBlock);
    ASSERT_EQ(failed.request.buffers.size(), 1U);
    EXPECT_EQ(failed.request.buffers.front().data(), one_.span().data());
    EXPECT_EQ(failed.request.buffers.front().size(), 2 * kBlock);
  }
  EXPECT_EQ(content(), "");
  EXPECT_OK(write(0, one_.span()));
}

// Each kind of request meets its own faults, and no others.
TEST_F(FaultDeviceTest, EveryKindOfRequestCanFail) {
  make();
  ASSERT_OK(write(0, one_.span()));
  const auto on_path = [&](IoKind kind) {
    IoRequest request;
    request.kind = kind;
    request.path = kind == IoKind::kSyncDirectory ? directory_.path() : path();
    if (kind == IoKind::kRename) request.target = path();
    return request;
  };
  const std::vector<std::pair<FileOperation, std::function<IoRequest()>>> kinds = {
      {FileOperation::kRead, [&] { return transfer(IoKind::kRead, 0, two_.span()); }},
      {FileOperation::kWrite, [&] { return transfer(IoKind::kWrite, 0, one_.span()); }},
      {FileOperation::kSync, [&] { return on_file(IoKind::kSync); }},
      {FileOperation::kSyncData, [&] { return on_file(IoKind::kSyncData); }},
      {FileOperation::kPreallocate, [&] { return on_file(IoKind::kAllocate, 0, kBlock); }},
      {FileOperation::kResize, [&] { return on_file(IoKind::kTruncate, kBlock); }},
      {FileOperation::kSyncDirectory, [&] { return on_path(IoKind::kSyncDirectory); }},
      {FileOperation::kRename, [&] { return on_path(IoKind::kRename); }},
      {FileOperation::kRemove, [&] { return on_path(IoKind::kRemove); }}};
  ASSERT_EQ(kinds.size() + 1, kIoKinds) << "advice alone meets no faults";
  for (const auto& [struck, ignored] : kinds) {
    plan().clear();
    const std::size_t number = plan().add({.operation = struck, .times = Fault::kAlways});
    for (const auto& [kind, request] : kinds) {
      if (kind == FileOperation::kRemove && kind != struck) continue;
      EXPECT_EQ(run(request()).outcome.has_value(), kind != struck)
          << file_operation_name(struck) << " struck, " << file_operation_name(kind) << " tried";
    }
    EXPECT_EQ(plan().hits(number), 1U);
  }
}

TEST_F(FaultDeviceTest, FilesAndDeviceFollowOnePlan) {
  make();
  const std::size_t second = plan().add({.operation = FileOperation::kWrite, .nth = 2});
  ASSERT_OK(file_->write_at(0, one_.span()));
  EXPECT_THAT(write(0, one_.span()), has_code(ErrorCode::kIo));
  EXPECT_EQ(plan().hits(second), 1U);
  const std::vector<FileEvent> trace = plan().trace();
  ASSERT_EQ(trace.size(), 2U) << "a file of the plan's own meets it once";
  EXPECT_EQ(trace[0].started + 1, trace[1].started);
  EXPECT_EQ(trace[1].path, path());
  EXPECT_EQ(trace[1].bytes, 2 * kBlock);
  EXPECT_TRUE(trace[1].injected);
}

TEST_F(FaultDeviceTest, ALostWriteLeavesWhatWasThere) {
  make();
  ASSERT_OK(write(0, one_.span()));
  plan().add({.effect = FaultEffect::kSkip});
  const IoOperation& lost = run(transfer(IoKind::kWrite, 0, two_.span()));
  EXPECT_OK(lost.outcome);
  EXPECT_EQ(lost.transferred, 2 * kBlock);
  EXPECT_TRUE(content() == one_.text());
}

TEST_F(FaultDeviceTest, AMisdirectedWriteLandsElsewhere) {
  make();
  plan().add({.effect = FaultEffect::kMisdirectedWrite, .misdirect_bytes = 2 * kBlock});
  const IoOperation& misdirected = run(transfer(IoKind::kWrite, 0, one_.span()));
  EXPECT_OK(misdirected.outcome);
  EXPECT_EQ(misdirected.request.offset, 0U);
  EXPECT_TRUE(content() == std::string(2 * kBlock, '\0') + one_.text());
}

TEST_F(FaultDeviceTest, ATornWriteLeavesItsHead) {
  for (const bool direct : {false, true}) {
    for (const int sys_errno : {EIO, 0}) {
      make({.split_transfers = true}, direct);
      plan().clear();
      ASSERT_OK(write(0, one_.span()));
      plan().add(
          {.effect = FaultEffect::kTornWrite, .sys_errno = sys_errno, .torn_bytes = kBlock + 10});
      const IoOperation& torn = run(transfer(IoKind::kWrite, 0, two_.span()));
      EXPECT_EQ(torn.outcome.has_value(), sys_errno == 0);
      EXPECT_EQ(torn.transferred, sys_errno == 0 ? 2 * kBlock : 0);
      EXPECT_TRUE(content() ==
                  two_.text().substr(0, kBlock + 10) + one_.text().substr(kBlock + 10));
    }
  }
}

TEST_F(FaultDeviceTest, ABitThatRottedReadsWrongUntilItIsRewritten) {
  make({.split_transfers = true});
  ASSERT_OK(write(0, one_.span()));
  plan().add({.operation = FileOperation::kRead, .effect = FaultEffect::kFlippedBit});
  std::string first;
  for (int i = 0; i < 2; ++i) {
    AlignedBytes into(2 * kBlock);
    IoRequest request = transfer(IoKind::kRead, 0, into.span().first(kBlock));
    request.buffers.push_back(IoBuffer::borrow(into.span().subspan(kBlock)));
    ASSERT_OK(run(std::move(request)).outcome);
    EXPECT_FALSE(into.text() == one_.text());
    if (i == 0) first = into.text();
    EXPECT_TRUE(into.text() == first);
  }
  AlignedBytes through_file(2 * kBlock);
  ASSERT_OK(file_->read_at(0, through_file.span()));
  EXPECT_TRUE(through_file.text() == first) << "the files below one plan share its rot";
  ASSERT_OK(write(0, one_.span()));
  AlignedBytes into(2 * kBlock);
  ASSERT_OK(run(transfer(IoKind::kRead, 0, into.span())).outcome);
  EXPECT_TRUE(into.text() == one_.text());
}

TEST_F(FaultDeviceTest, ASyncMayFailOnceAndHaveLostWhatCameBefore) {
  make();
  plan().add(
      {.operation = FileOperation::kSyncData, .effect = FaultEffect::kLostUnsynced, .nth = 2});
  ASSERT_OK(write(0, one_.span()));
  ASSERT_OK(run(on_file(IoKind::kSyncData)).outcome);
  ASSERT_OK(write(0, two_.span()));
  EXPECT_THAT(run(on_file(IoKind::kSyncData)).outcome, has_code(ErrorCode::kIo));
  EXPECT_OK(run(on_file(IoKind::kSyncData)).outcome) << "and then it lies";
  EXPECT_TRUE(content() == one_.text());
}

TEST_F(FaultDeviceTest, ADurableWriteOutlivesASyncThatLosesWrites) {
  make();
  plan().add(
      {.operation = FileOperation::kSync, .effect = FaultEffect::kLostUnsynced, .sys_errno = 0});
  ASSERT_OK(write(0, one_.span()));
  IoRequest durable = transfer(IoKind::kWrite, kBlock, two_.span().first(kBlock));
  durable.durable = true;
  ASSERT_OK(run(std::move(durable)).outcome);
  EXPECT_OK(run(on_file(IoKind::kSync)).outcome);
  EXPECT_TRUE(content() == std::string(kBlock, '\0') + two_.text().substr(0, kBlock));
}

TEST_F(FaultDeviceTest, RoomIsCountedAcrossFilesAndDevice) {
  make();
  files_.set_free_bytes(3 * kBlock);
  ASSERT_OK(file_->write_at(0, one_.span()));
  const IoOperation& over = run(transfer(IoKind::kWrite, kBlock + 100, two_.span()));
  ASSERT_THAT(over.outcome, has_code(ErrorCode::kNoSpace));
  EXPECT_EQ(over.outcome.error().sys_errno(), ENOSPC);
  EXPECT_EQ(content().size(), 3 * kBlock) << "as far as it fits";
  EXPECT_EQ(files_.free_bytes(), 0U);
  EXPECT_THAT(run(on_file(IoKind::kAllocate, 0, 4 * kBlock)).outcome,
              has_code(ErrorCode::kNoSpace));
  ASSERT_OK(run(on_file(IoKind::kTruncate, kBlock)).outcome);
  EXPECT_EQ(files_.free_bytes(), 2 * kBlock);
  IoRequest removal;
  removal.kind = IoKind::kRemove;
  removal.path = path();
  ASSERT_OK(run(std::move(removal)).outcome);
  EXPECT_EQ(files_.free_bytes(), 3 * kBlock);
}

TEST_F(FaultDeviceTest, ManyThatGrowWaitForTheirTurn) {
  make({.reorder_window = 4});
  files_.set_free_bytes(4 * kBlock);
  std::vector<IoOperation*> writes;
  for (std::uint64_t i = 0; i < 8; ++i) {
    writes.push_back(&submit(transfer(IoKind::kWrite, 0, one_.span().first((i % 4 + 1) * 100))));
  }
  for (IoOperation* write : writes) wait_for(*write);
  for (IoOperation* write : writes) EXPECT_OK(write->outcome);
  EXPECT_EQ(files_.free_bytes(), 4 * kBlock - 400);
}

TEST_F(FaultDeviceTest, NothingChangesWhileReadOnly) {
  make();
  ASSERT_OK(write(0, one_.span()));
  files_.set_read_only(true);
  const Status refused = write(0, two_.span());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().sys_errno(), EROFS);
  AlignedBytes into(2 * kBlock);
  EXPECT_OK(run(transfer(IoKind::kRead, 0, into.span())).outcome);
}

TEST_F(FaultDeviceTest, AStuckRequestWaitsForItsRelease) {
  make();
  plan().add({.effect = FaultEffect::kStuck});
  const IoOperation& stuck = submit(transfer(IoKind::kWrite, 0, one_.span()));
  EXPECT_EQ(reap_now(), 0U);
  EXPECT_EQ(reap_now(), 0U);
  EXPECT_EQ(device_->stuck(), 1U);
  EXPECT_EQ(content(), "");
  EXPECT_OK(write(2 * kBlock, two_.span())) << "others pass it";
  EXPECT_EQ(device_->release_stuck(), 1U);
  wait_for(stuck);
  EXPECT_OK(stuck.outcome);
  EXPECT_TRUE(content() == one_.text() + two_.text());
}

TEST_F(FaultDeviceTest, AStuckRequestCanBeCancelled) {
  make();
  plan().add({.operation = FileOperation::kSync, .effect = FaultEffect::kStuck});
  IoOperation behind;
  behind.request = transfer(IoKind::kWrite, 0, one_.span());
  operations_.push_back(std::make_unique<IoOperation>());
  IoOperation* const first = operations_.back().get();
  first->request = on_file(IoKind::kSync);
  first->next_in_chain = &behind;
  device_->submit({&first, 1}, true);
  EXPECT_EQ(reap_now(), 0U);
  device_->cancel(*first);
  wait_for(behind);
  EXPECT_THAT(first->outcome, has_code(ErrorCode::kCancelled));
  EXPECT_THAT(behind.outcome, has_code(ErrorCode::kCancelled));
  EXPECT_EQ(device_->stuck(), 0U);
  EXPECT_EQ(content(), "");
  device_->cancel(*first);  // It has come back already: nothing happens.
}

TEST_F(FaultDeviceTest, ASlowRequestIsOvertakenBySoMany) {
  make();
  plan().add({.effect = FaultEffect::kSlow, .slow_completions = 2});
  IoOperation& slow = submit(transfer(IoKind::kWrite, 0, one_.span()));
  std::vector<IoOperation*> others;
  for (int i = 0; i < 3; ++i) others.push_back(&submit(on_file(IoKind::kSyncData)));
  wait_for(slow);
  for (const IoOperation* other : others) wait_for(*other);
  EXPECT_THAT(came_back_, testing::ElementsAre(others[0], others[1], &slow, others[2]));
}

TEST_F(FaultDeviceTest, ASlowRequestWaitsForItsTime) {
  make();
  plan().add({.effect = FaultEffect::kSlow, .slow_ns = 1000});
  const IoOperation& slow = submit(transfer(IoKind::kWrite, 0, one_.span()));
  EXPECT_EQ(reap_now(), 0U);
  clock_.advance_ns(999);
  EXPECT_EQ(reap_now(), 0U);
  clock_.advance_ns(1);
  EXPECT_EQ(reap_now(), 1U);
  EXPECT_OK(slow.outcome);
}

// Cut, a write lets others in between, who see the file half written.
TEST_F(FaultDeviceTest, TransfersAreCutIntoPieces) {
  make({.split_transfers = true});
  AlignedBytes large(64 * kBlock, 3);
  std::vector<std::size_t> sizes;
  plan().before_each([&](const FileEvent&) { sizes.push_back(content().size()); });
  const IoOperation& write = submit(transfer(IoKind::kWrite, 0, large.span()));
  std::vector<IoOperation> chain(40);
  for (IoOperation& step : chain) {
    step.request = on_file(IoKind::kSyncData);
    if (&step != &chain.back()) step.next_in_chain = &step + 1;
  }
  IoOperation* const first = &chain.front();
  device_->submit({&first, 1}, true);
  wait_for(chain.back());
  wait_for(write);
  EXPECT_TRUE(
      std::ranges::any_of(sizes, [](std::size_t size) { return size > 0 && size < 64 * kBlock; }));
  EXPECT_TRUE(content() == large.text());
}

TEST_F(FaultDeviceTest, ReorderingFollowsTheSeed) {
  std::vector<std::vector<std::size_t>> orders;
  for (int round = 0; round < 2; ++round) {
    FaultFileSystem files(posix_, {.seed = test::seed()});
    FaultDevice device(make_io_backend(posix_, {.engine = IoEngine::kPosix, .threads = 0}).value(),
                       files, {.reorder_window = 8});
    const auto file = files.open(path(), {.writable = true, .create = true}).value();
    const IoFile io_file(device, *file);
    std::vector<IoOperation> operations(32);
    std::vector<IoOperation*> heads;
    for (IoOperation& operation : operations) {
      operation.request.kind = IoKind::kSyncData;
      operation.request.file = &io_file;
      heads.push_back(&operation);
    }
    device.submit(heads, true);
    std::vector<std::size_t>& order = orders.emplace_back();
    std::array<IoOperation*, 4> ended{};
    while (order.size() < operations.size()) {
      const std::size_t count = device.reap(ended, IoBackend::kForever);
      for (std::size_t i = 0; i < count; ++i) {
        order.push_back(static_cast<std::size_t>(ended[i] - operations.data()));
      }
    }
  }
  EXPECT_FALSE(std::ranges::is_sorted(orders[0]));
  EXPECT_EQ(orders[0], orders[1]);
}

/// Reads from a group; a fault leaves none of its buffers behind.
class FaultDeviceGroupTest : public FaultDeviceTest {
 protected:
  void make_group(const FaultDeviceOptions& options = {}) {
    make(options);
    ASSERT_OK(write(0, one_.span()));
    std::vector<IoBuffer> buffers;
    buffers.push_back(IoBuffer::borrow(two_.span()));
    group_ = std::make_unique<IoBufferGroup>(*device_, std::move(buffers));
  }
  IoRequest read() {
    IoRequest request = on_file(IoKind::kRead, 0, 2 * kBlock);
    request.group = group_.get();
    return request;
  }
  void expect_good_read() {
    IoOperation& good = run(read());
    ASSERT_OK(good.outcome);
    EXPECT_EQ(good.transferred, 2 * kBlock);
    EXPECT_EQ(two_.text(), one_.text());
    EXPECT_EQ(group_->lent(), 1U);
    good.request.buffers.clear();
    EXPECT_EQ(group_->lent(), 0U);
  }

  std::unique_ptr<IoBufferGroup> group_;
};

TEST_F(FaultDeviceGroupTest, AReadThatFailsHoldsNoBuffer) {
  make_group();
  plan().add({.operation = FileOperation::kRead, .sys_errno = EIO});
  IoOperation& failed = run(read());
  EXPECT_THAT(failed.outcome, has_code(ErrorCode::kIo));
  EXPECT_TRUE(failed.request.buffers.empty());
  expect_good_read();
}

TEST_F(FaultDeviceGroupTest, OneThatIsStuckHoldsNoneAndCanBeCalledBack) {
  make_group();
  plan().add({.operation = FileOperation::kRead, .effect = FaultEffect::kStuck});
  IoOperation& stuck = submit(read());
  expect_good_read();
  EXPECT_EQ(device_->stuck(), 1U);
  device_->cancel(stuck);
  wait_for(stuck);
  EXPECT_THAT(stuck.outcome, has_code(ErrorCode::kCancelled));
  EXPECT_TRUE(stuck.request.buffers.empty());
  expect_good_read();
}

TEST_F(FaultDeviceGroupTest, PiecesGoIntoOneBufferAndRotStrikesIt) {
  make_group({.split_transfers = true});
  for (int round = 0; round < 20; ++round) expect_good_read();
  plan().add({.operation = FileOperation::kRead, .effect = FaultEffect::kFlippedBit});
  IoOperation& struck = run(read());
  ASSERT_OK(struck.outcome);
  EXPECT_EQ(struck.request.buffers.front().size(), 2 * kBlock);
  EXPECT_NE(two_.text(), one_.text());
  struck.request.buffers.clear();
}

}  // namespace
}  // namespace nacre
