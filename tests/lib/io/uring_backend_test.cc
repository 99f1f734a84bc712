#include "lib/io/uring_backend.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "lib/io/io_scheduler.h"
#include "nacre/io_buffer_group.h"
#include "tests/lib/io/io_buffer_group_contract.h"
#include "tests/support/aligned_bytes.h"
#include "tests/support/child_process.h"
#include "tests/support/forbid_call.h"
#include "tests/support/forwarding_file_system.h"
#include "tests/support/result_matchers.h"
#include "tests/support/temp_directory.h"

namespace nacre {
namespace {

using test::IoBackendCase;
using test::IoBackendContract;
using test::IoBufferGroupContract;

struct Kind {
  std::string name;
  UringWishes wishes;
};

std::vector<IoBackendCase> every_case() {
  const std::vector<Kind> kinds{
      {"Shared", {}},
      {"SingleThread", {.single_thread = true}},
      {"KernelPolls", {.kernel_polls_submissions = true}},
      {"WideEntries", {.nvme_passthrough = true}},
      {"NoFeatures", {.optional_features = false}},
      // Where nothing fits but one chain.
      {"Shallow", {.depth = IoScheduler::kMaxChain}},
  };
  std::vector<IoBackendCase> cases;
  for (const Kind& kind : kinds) {
    for (const bool tmpfs : {false, true}) {
      for (const bool direct : {false, true}) {
        const UringWishes wishes = kind.wishes;
        cases.push_back(
            {.name = kind.name + (tmpfs ? "Tmpfs" : "Disk") + (direct ? "Direct" : ""),
             .make = [wishes](FileSystem& file_system) -> Result<std::unique_ptr<IoBackend>> {
               return UringBackend::make(file_system, wishes, "the test says so");
             },
             .tmpfs = tmpfs,
             .direct = direct,
             .single_thread = wishes.single_thread});
      }
    }
  }
  return cases;
}

INSTANTIATE_TEST_SUITE_P(Uring, IoBackendContract, testing::ValuesIn(every_case()),
                         [](const auto& the) { return the.param.name; });
INSTANTIATE_TEST_SUITE_P(Uring, IoBufferGroupContract, testing::ValuesIn(every_case()),
                         [](const auto& the) { return the.param.name; });

IoRequest on_file(IoKind kind, const IoFile& file, std::uint64_t offset, std::span<std::byte> on) {
  IoRequest request;
  request.kind = kind;
  request.file = &file;
  request.offset = offset;
  if (!on.empty()) request.buffers.push_back(IoBuffer::borrow(on));
  return request;
}

class UringBackendTest : public testing::Test {
 protected:
  std::unique_ptr<UringBackend> make(const UringWishes& wishes) {
    auto made = UringBackend::make(file_system_, wishes, "the test says so");
    EXPECT_OK(made);
    return std::move(*made);
  }
  std::unique_ptr<File> open(std::string_view name, bool direct) {
    auto opened = file_system_.open(directory_.path() / name,
                                    {.writable = true, .create = true, .direct = direct});
    EXPECT_OK(opened);
    return std::move(*opened);
  }
  static void run(IoBackend& backend, IoOperation& operation) {
    IoOperation* const head = &operation;
    backend.submit(std::span(&head, 1), /*reap_follows=*/true);
    std::array<IoOperation*, 1> ended{};
    std::size_t left = 0;
    for (IoOperation* at = head; at != nullptr; at = at->next_in_chain) ++left;
    while (left > 0) left -= backend.reap(ended, IoBackend::kForever);
  }

  PosixFileSystem file_system_;
  test::TempDirectory directory_;
};

// The thread that reaps submits its own in the call in which it waits. It once took the first steps
// of other threads' chains along, and the kernel then began the rest of those at once.
// The window is narrow: with a pause before each call of the kernel this fails without
// `let_reaper_submit`.
TEST_F(UringBackendTest, TheThreadThatReapsDoesNotTearChainsOfOthersApart) {
  constexpr std::size_t kThreads = 2;
  constexpr std::size_t kRounds = 100;
  const auto backend = make({});
  const auto file = open("a", /*direct=*/true);
  ASSERT_OK(file->resize(1 << 20));
  const IoFile known(*backend, *file);
  const test::AlignedBytes old_bytes(4096, 1);
  const test::AlignedBytes bytes(4096, 2);
  std::atomic<std::size_t> chains{kThreads * kRounds};
  const auto submit_chains = [&](std::size_t thread) {
    const test::AlignedBytes into(4096);
    std::atomic<bool> done{false};
    for (std::size_t round = 0; round < kRounds; ++round) {
      std::array<IoOperation, 3> steps;
      const std::uint64_t offset = (1 + thread) * 4096;
      steps[0].request = on_file(IoKind::kWrite, known, offset, old_bytes.span());
      steps[1].request = on_file(IoKind::kWrite, known, offset, bytes.span());
      steps[2].request = on_file(IoKind::kRead, known, offset, into.span());
      steps[0].next_in_chain = &steps[1];
      steps[1].next_in_chain = &steps[2];
      steps[2].owner = &done;
      done = false;
      IoOperation* const head = steps.data();
      backend->submit(std::span(&head, 1), /*reap_follows=*/false);
      done.wait(false);
      EXPECT_TRUE(steps[2].outcome);
      EXPECT_TRUE(into.text() == bytes.text());
      --chains;
    }
    backend->wake();
  };
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < kThreads; ++i) threads.emplace_back(submit_chains, i);
  const test::AlignedBytes own(4096);
  std::array<IoOperation, 2> reads;
  std::vector<IoOperation*> idle;
  for (IoOperation& read : reads) {
    read.request = on_file(IoKind::kRead, known, 0, own.span());
    idle.push_back(&read);
  }
  std::array<IoOperation*, 16> ended{};
  while (chains > 0 || idle.size() < reads.size()) {
    if (chains > 0) backend->submit(std::exchange(idle, {}), /*reap_follows=*/true);
    const std::size_t count = backend->reap(ended, IoBackend::kForever);
    for (std::size_t i = 0; i < count; ++i) {
      if (ended[i] >= reads.begin() && ended[i] < reads.end()) {
        idle.push_back(ended[i]);
      } else if (auto* const done = static_cast<std::atomic<bool>*>(ended[i]->owner)) {
        *done = true;
        done->notify_one();
      }
    }
  }
  for (std::thread& thread : threads) thread.join();
}

// A pipe stands for a device that does not answer.
TEST_F(UringBackendTest, CallsAReadBackThatIsStuck) {
  ASSERT_EQ(::mkfifo((directory_.path() / "pipe").c_str(), 0600), 0);
  for (const bool single_thread : {false, true}) {
    const auto backend = make({.single_thread = single_thread});
    const auto pipe = open("pipe", /*direct=*/false);
    const IoFile known(*backend, *pipe);
    const test::AlignedBytes memory(4096);
    IoOperation read;
    read.request = on_file(IoKind::kRead, known, 0, memory.span());
    IoOperation behind;
    behind.request = on_file(IoKind::kSyncData, known, 0, {});
    read.next_in_chain = &behind;
    IoOperation* const head = &read;
    backend->submit(std::span(&head, 1), /*reap_follows=*/false);
    std::array<IoOperation*, 2> ended{};
    EXPECT_EQ(backend->reap(ended, 0), 0U);
    backend->cancel(read);
    for (std::size_t got = 0; got < 2;) got += backend->reap(ended, IoBackend::kForever);
    EXPECT_THAT(read.outcome, test::has_code(ErrorCode::kCancelled));
    EXPECT_THAT(behind.outcome, test::has_code(ErrorCode::kCancelled));
    EXPECT_EQ(read.request.buffers.front().data(), memory.span().data());
  }
}

TEST_F(UringBackendTest, ReapsInTurnWhenThereIsRoomForOneAlone) {
  const auto backend = make({.depth = 3});
  const auto file = open("a", /*direct=*/false);
  const IoFile known(*backend, *file);
  const test::AlignedBytes memory(4096, 1);
  std::array<IoOperation, 3> steps;
  for (IoOperation& step : steps) step.request = on_file(IoKind::kWrite, known, 0, memory.span());
  steps[0].next_in_chain = &steps[1];
  steps[1].next_in_chain = &steps[2];
  IoOperation* const head = steps.data();
  backend->submit(std::span(&head, 1), /*reap_follows=*/true);
  for (IoOperation& step : steps) {
    std::array<IoOperation*, 1> ended{};
    while (backend->reap(ended, IoBackend::kForever) == 0) {
    }
    EXPECT_EQ(ended[0], &step);
  }
}

// The one in these tests hardly polls: then the engine goes on without, and says so.
TEST_F(UringBackendTest, PollsADeviceOrGoesOnWithout) {
  for (const bool single_thread : {false, true}) {
    const auto backend = make({.single_thread = single_thread, .poll_device = true});
    const auto file = open("a", /*direct=*/true);
    const IoFile known(*backend, *file);
    const test::AlignedBytes source(16384, 1);
    const IoMemory area(*backend, source.span());
    std::array<IoOperation, 4> writes;
    std::vector<IoOperation*> heads;
    for (std::size_t i = 0; i < writes.size(); ++i) {
      writes[i].request = on_file(IoKind::kWrite, known, i * 4096, {});
      writes[i].request.buffers.push_back(
          IoBuffer::borrow(source.span().subspan(i * 4096, 4096), area.slot()));
      heads.push_back(&writes[i]);
    }
    backend->submit(heads, /*reap_follows=*/true);
    std::array<IoOperation*, 4> ended{};
    for (std::size_t got = 0; got < 4;) got += backend->reap(ended, IoBackend::kForever);
    for (const IoOperation& write : writes) EXPECT_OK(write.outcome);
    const test::AlignedBytes into(16384);
    IoOperation read;
    read.request = on_file(IoKind::kRead, known, 0, into.span());
    run(*backend, read);
    EXPECT_OK(read.outcome);
    EXPECT_EQ(into.text(), source.text());
    const auto& features = backend->info().features;
    const auto iopoll = std::ranges::find(features, "iopoll", &IoFeature::name);
    ASSERT_NE(iopoll, features.end());
    EXPECT_EQ(iopoll->on, iopoll->reason.empty());
    // A wait without anything under way is a wait on the bell, until there is no polling any more.
    backend->wake();
    EXPECT_EQ(backend->reap(ended, IoBackend::kForever), 0U);
    EXPECT_EQ(backend->reap(ended, 1000), 0U);
  }
}

/// A group of one buffer.
std::unique_ptr<IoBufferGroup> group_of(IoBackend& backend, const test::AlignedBytes& memory,
                                        int slot = -1) {
  std::vector<IoBuffer> buffers;
  buffers.push_back(IoBuffer::borrow(memory.span(), slot));
  return std::make_unique<IoBufferGroup>(backend, std::move(buffers));
}

IoRequest read_of(IoBufferGroup& group, const IoFile& file) {
  IoRequest request = on_file(IoKind::kRead, file, 0, {});
  request.bytes = group.buffer_bytes();
  request.group = &group;
  return request;
}

const IoFeature& provided_buffers(const IoBackend& backend) {
  return *std::ranges::find(backend.info().features, "provided_buffers", &IoFeature::name);
}

TEST_F(UringBackendTest, TheKernelLendsWhatIsNotRegistered) {
  const auto backend = make({});
  if (!provided_buffers(*backend).on) GTEST_SKIP() << provided_buffers(*backend).reason;
  const test::AlignedBytes memory(4096);
  EXPECT_GE(group_of(*backend, memory)->slot(), 0);
  const IoMemory area(*backend, memory.span());
  EXPECT_EQ(group_of(*backend, memory, area.slot())->slot(), -1);
}

TEST_F(UringBackendTest, MoreGroupsThanTheRingTakesKeepLists) {
  const auto backend = make({});
  if (!provided_buffers(*backend).on) GTEST_SKIP() << provided_buffers(*backend).reason;
  const auto file = open("a", /*direct=*/false);
  ASSERT_OK(file->resize(4096));
  const IoFile known(*backend, *file);
  const test::AlignedBytes memory(4096);
  std::vector<std::unique_ptr<IoBufferGroup>> groups;
  for (std::size_t i = 0; i < kUringGroupSlots + 1; ++i) {
    groups.push_back(group_of(*backend, memory));
    EXPECT_EQ(groups.back()->slot() >= 0, i < kUringGroupSlots);
    IoOperation read;
    read.request = read_of(*groups.back(), known);
    run(*backend, read);
    EXPECT_OK(read.outcome);
  }
  EXPECT_TRUE(provided_buffers(*backend).on);
  EXPECT_THAT(provided_buffers(*backend).reason, testing::HasSubstr("64 groups"));
  groups.erase(groups.begin() + 7);
  EXPECT_EQ(group_of(*backend, memory)->slot(), 7);
}

// One made before the device has refused to be polled keeps its list in the ring that follows.
TEST_F(UringBackendTest, WhoeverPollsLendsFromAList) {
  const auto backend = make({.poll_device = true});
  EXPECT_FALSE(provided_buffers(*backend).on);
  const auto file = open("a", /*direct=*/true);
  ASSERT_OK(file->resize(4096));
  const IoFile known(*backend, *file);
  const test::AlignedBytes memory(4096);
  const auto group = group_of(*backend, memory);
  EXPECT_EQ(group->slot(), -1);
  for (int round = 0; round < 3; ++round) {
    IoOperation read;
    read.request = read_of(*group, known);
    run(*backend, read);
    EXPECT_OK(read.outcome);
    EXPECT_EQ(read.transferred, 4096U);
  }
}

TEST_F(UringBackendTest, WhoeverPollsTakesNothingElse) {
  const auto backend = make({.poll_device = true});
  const auto direct = open("a", /*direct=*/true);
  const auto buffered = open("a", /*direct=*/false);
  const IoFile known(*backend, *direct);
  const IoFile known_buffered(*backend, *buffered);
  const test::AlignedBytes memory(4096);
  std::array<IoOperation, 3> wrong;
  wrong[0].request = on_file(IoKind::kSync, known, 0, {});
  wrong[1].request = on_file(IoKind::kRead, known_buffered, 0, memory.span());
  wrong[2].request.kind = IoKind::kRemove;
  wrong[2].request.path = directory_.path() / "a";
  for (IoOperation& operation : wrong) {
    run(*backend, operation);
    ASSERT_THAT(operation.outcome, test::has_code(ErrorCode::kInvalidArgument));
    EXPECT_THAT(operation.outcome.error().message(), testing::HasSubstr("polls its device"));
  }
  EXPECT_TRUE(std::filesystem::exists(directory_.path() / "a"));
}

TEST_F(UringBackendTest, ItsParentsIsDestroyedInAChildWithoutHarm) {
  auto backend = make({.single_thread = true});
  const auto file = open("a", /*direct=*/false);
  auto known = std::make_unique<IoFile>(*backend, *file);
  const test::AlignedBytes memory(4096, 1);
  auto area = std::make_unique<IoMemory>(*backend, memory.span());
  ASSERT_GE(known->slot(), 0);
  const auto in_child = [&] {
    known.reset();
    area.reset();
    backend.reset();
    return 0;
  };
  EXPECT_EQ(test::exit_status(test::fork_child(in_child)), 0);
  // The file and the memory are still registered.
  IoOperation write;
  write.request = on_file(IoKind::kWrite, *known, 0, {});
  write.request.buffers.push_back(IoBuffer::borrow(memory.span(), area->slot()));
  run(*backend, write);
  EXPECT_OK(write.outcome);
}

class CountsWrites final : public test::ForwardingFile {
 public:
  using ForwardingFile::ForwardingFile;
  Status write_at(std::uint64_t offset, Bytes bytes) override {
    ++writes;
    return ForwardingFile::write_at(offset, bytes);
  }
  int writes = 0;
};

// The kernel ends a synchronous write from a ring on a worker of its own. A machine with more to do
// than processors ran that milliseconds later, and one committing thread once took 36 times
// as long as a bare pwrite.
TEST_F(UringBackendTest, ALoneSynchronousWriteIsACallOfTheThreadThatWaits) {
  const auto backend = make({});
  const test::AlignedBytes source(4096, 1);
  for (const bool data_sync : {false, true}) {
    CountsWrites file(file_system_
                          .open(directory_.path() / "a",
                                {.writable = true, .create = true, .data_sync = data_sync})
                          .value());
    const IoFile known(*backend, file);
    IoOperation lone;
    lone.request = on_file(IoKind::kWrite, known, 0, source.span());
    run(*backend, lone);
    EXPECT_OK(lone.outcome);
    EXPECT_EQ(lone.transferred, 4096U);
    EXPECT_EQ(file.writes, data_sync ? 1 : 0);

    // Two, and one nobody waits for, are the ring's.
    std::array<IoOperation, 2> both;
    std::array<IoOperation*, 2> heads{&both[0], &both[1]};
    for (IoOperation& one : both) {
      one.request = on_file(IoKind::kWrite, known, 0, source.span());
    }
    backend->submit(heads, /*reap_follows=*/true);
    std::array<IoOperation*, 2> ended{};
    for (std::size_t got = 0; got < 2;) got += backend->reap(ended, IoBackend::kForever);
    backend->submit(std::span(heads).first(1), /*reap_follows=*/false);
    while (backend->reap(ended, IoBackend::kForever) == 0) {
    }
    EXPECT_EQ(file.writes, data_sync ? 1 : 0);
  }
}

TEST_F(UringBackendTest, ReadsInTheBackgroundWithLargeBuffers) {
  const auto backend = make({});
  const auto file = open("a", /*direct=*/true);
  const IoFile known(*backend, *file);
  const test::AlignedBytes source(1 << 20, 1);
  const test::AlignedBytes into(1 << 20);
  IoOperation write;
  write.request = on_file(IoKind::kWrite, known, 0, source.span());
  run(*backend, write);
  IoOperation read;
  read.request = on_file(IoKind::kRead, known, 0, into.span());
  read.request.io_class = IoClass::kCompaction;
  run(*backend, read);
  EXPECT_OK(read.outcome);
  EXPECT_TRUE(into.text() == source.text());
}

// More parts than the kernel takes in one call.
TEST_F(UringBackendTest, TransfersMorePartsThanOneCallTakes) {
  const auto backend = make({});
  const auto file = open("a", /*direct=*/false);
  const IoFile known(*backend, *file);
  constexpr std::size_t kParts = 2500;
  const test::AlignedBytes source(kParts * 8, 1);
  const test::AlignedBytes into(kParts * 8);
  IoOperation write;
  write.request = on_file(IoKind::kWrite, known, 0, {});
  write.request.durable = true;
  IoOperation read;
  read.request = on_file(IoKind::kRead, known, 0, {});
  for (std::size_t i = 0; i < kParts; ++i) {
    write.request.buffers.push_back(IoBuffer::borrow(source.span().subspan(i * 8, 8)));
    read.request.buffers.push_back(IoBuffer::borrow(into.span().subspan(i * 8, 8)));
  }
  write.next_in_chain = &read;
  run(*backend, write);
  EXPECT_OK(write.outcome);
  EXPECT_OK(read.outcome);
  EXPECT_EQ(read.transferred, source.span().size());
  EXPECT_TRUE(into.text() == source.text());
}

// Requests to call an operation back were dropped beyond a bound, and a caller who asked but once
// waited for ever.
TEST_F(UringBackendTest, AsManyAsItTakesCanBeCalledBackAtOnce) {
  constexpr std::size_t kReads = 100;
  const auto path = directory_.path() / "pipe";
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  const auto backend = make({.depth = kReads});
  const auto pipe = open("pipe", /*direct=*/false);
  const IoFile known(*backend, *pipe);
  const test::AlignedBytes into(4096);
  std::vector<IoOperation> reads(kReads);
  std::vector<IoOperation*> heads;
  for (IoOperation& read : reads) {
    read.request = on_file(IoKind::kRead, known, 0, into.span());
    heads.push_back(&read);
  }
  backend->submit(heads, /*reap_follows=*/false);
  for (IoOperation* const read : heads) backend->cancel(*read);
  std::array<IoOperation*, 16> ended{};
  for (std::size_t left = kReads; left > 0;) left -= backend->reap(ended, IoBackend::kForever);
  for (const IoOperation& read : reads) {
    EXPECT_THAT(read.outcome, test::has_code(ErrorCode::kCancelled));
  }
}

// It sleeps where no ring looks, and was not told.
TEST_F(UringBackendTest, ASubmissionWakesAThreadThatWaitsToPollTheDevice) {
  const auto file = open("a", /*direct=*/true);
  const test::AlignedBytes bytes(4096, 1);
  for (int round = 0; round < 20; ++round) {
    // One for each round: a device that does not poll ends the polling.
    const auto backend = make({.poll_device = true});
    const IoFile known(*backend, *file);
    IoOperation write;
    write.request = on_file(IoKind::kWrite, known, 0, bytes.span());
    std::thread submitter([&] {
      IoOperation* const head = &write;
      backend->submit(std::span(&head, 1), /*reap_follows=*/false);
    });
    std::array<IoOperation*, 1> ended{};
    while (backend->reap(ended, IoBackend::kForever) == 0) continue;
    submitter.join();
    EXPECT_OK(write.outcome);
  }
}

// A process may forbid itself what it does not use; that it uses the ring is then said by an error,
// and no longer by the end of the process.
TEST_F(UringBackendTest, ARingThatIsForbiddenFailsRequestsAndThenAllOthers) {
  for (const bool single_thread : {false, true}) {
    const auto in_child = [&] {
      const auto backend = make({.single_thread = single_thread});
      const auto file = open("a", /*direct=*/false);
      const IoFile known(*backend, *file);
      const test::AlignedBytes bytes(4096, 1);
      std::array<IoOperation, 3> steps;
      for (IoOperation& step : steps) {
        step.request = on_file(IoKind::kWrite, known, 0, bytes.span());
      }
      run(*backend, steps[0]);
      if (!steps[0].outcome) return 1;
      steps[0].next_in_chain = &steps[1];
      if (!test::forbid(__NR_io_uring_enter, EPERM)) return 2;
      run(*backend, steps[0]);
      if (steps[0].outcome || steps[0].outcome.error().code() != ErrorCode::kIo) return 3;
      if (steps[1].outcome || steps[1].outcome.error().code() != ErrorCode::kCancelled) return 4;
      run(*backend, steps[2]);
      if (steps[2].outcome || steps[2].outcome.error().code() != ErrorCode::kIo) return 5;
      return 0;
    };
    EXPECT_EQ(test::exit_status(test::fork_child(in_child)), 0) << single_thread;
  }
}

/// As a user who may have no further process or thread.
bool forbid_threads() {
  constexpr uid_t kNobody = 65534;
  const rlimit limit{.rlim_cur = 1, .rlim_max = 1};
  if (::setrlimit(RLIMIT_NPROC, &limit) != 0) return false;
  return ::geteuid() != 0 || ::setresuid(kNobody, kNobody, kNobody) == 0;
}

// The kernel calls back, without end, what it needs a worker for that it may not start; the write
// failed in the end.
TEST_F(UringBackendTest, WhatNeedsAWorkerOfTheKernelsGoesWithoutWhereThereIsNone) {
  const auto file = open("a", /*direct=*/false);
  const auto in_child = [&] {
    if (!forbid_threads()) return 77;
    const auto backend = make({});
    const IoFile known(*backend, *file);
    const test::AlignedBytes bytes(std::size_t{1} << 20, 1);
    for (const bool durable : {false, true}) {
      IoOperation write;
      write.request = on_file(IoKind::kWrite, known, 0, bytes.span());
      write.request.durable = durable;
      run(*backend, write);
      if (!write.outcome || write.transferred != bytes.span().size()) return durable ? 2 : 1;
    }
    return 0;
  };
  const int status = test::exit_status(test::fork_child(in_child));
  if (status == 77) GTEST_SKIP() << "this user cannot be kept from starting threads";
  EXPECT_EQ(status, 0);
  EXPECT_EQ(file->size().value(), std::size_t{1} << 20);
}

}  // namespace
}  // namespace nacre
