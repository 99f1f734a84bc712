#include "lib/io/nvme_file.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "lib/io/posix_backend.h"
#include "lib/io/uring_backend.h"
#include "tests/lib/io/io_buffer_group_contract.h"
#include "tests/support/aligned_bytes.h"
#include "tests/support/result_matchers.h"
#include "tests/support/test_namespace.h"

namespace nacre {
namespace {

using test::AlignedBytes;
using test::IoBackendCase;
using test::IoBackendContract;
using test::IoBufferGroupContract;
using testing::HasSubstr;

constexpr std::size_t kBlock = 4096;

/// A namespace as a device might describe it, behind which there is none.
constexpr NvmeNamespace kTold{
    .id = 1, .block_bytes = 512, .blocks = 16384, .max_command_bytes = 1 << 17};

std::unique_ptr<NvmeFile> told(const OpenOptions& options) {
  return std::make_unique<NvmeFile>(::open("/dev/null", O_RDWR | O_CLOEXEC), options, kTold,
                                    "/dev/null");
}

TEST(NvmeFile, HasAFixedSize) {
  const auto file = told({.writable = true});
  EXPECT_EQ(file->size().value(), kTold.bytes());
  EXPECT_EQ(file->native_handle(), -1);
  const Status resized = file->resize(0);
  ASSERT_THAT(resized, test::has_code(ErrorCode::kUnsupported));
  EXPECT_THAT(resized.error().message(), HasSubstr("8388608 bytes"));
  const Status allocated = file->preallocate(0, kBlock);
  ASSERT_THAT(allocated, test::has_code(ErrorCode::kUnsupported));
  EXPECT_THAT(allocated.error().message(), HasSubstr("reserves no space"));
}

TEST(NvmeFile, RefusesWhatTheDeviceWould) {
  const auto file = told({.writable = true});
  const AlignedBytes memory(2 * kBlock);
  const auto bytes = memory.span();
  for (const Status& odd :
       {file->write_at(1, bytes.first(512)), file->write_at(0, bytes.first(511)),
        file->write_at(0, bytes.subspan(2, 512))}) {
    ASSERT_THAT(odd, test::has_code(ErrorCode::kInvalidArgument));
    EXPECT_THAT(odd.error().message(), HasSubstr("block of 512 bytes"));
    EXPECT_EQ(odd.error().path(), "/dev/null");
  }
  for (const std::uint64_t offset : {kTold.bytes() - 512, kTold.bytes(), std::uint64_t{1} << 62}) {
    const Status beyond = file->write_at(offset, bytes.first(1024));
    ASSERT_THAT(beyond, test::has_code(ErrorCode::kNoSpace));
    EXPECT_EQ(beyond.error().offset(), offset);
    EXPECT_EQ(beyond.error().sys_errno(), ENOSPC);
  }
  const auto behind = file->read_at(kTold.bytes(), bytes);
  ASSERT_OK(behind);
  EXPECT_EQ(*behind, 0U);
  const auto failed = file->read_at(512, bytes);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().sys_errno(), ENOTTY);
  EXPECT_EQ(failed.error().offset(), 512U);
  EXPECT_THAT(file->sync(), testing::Not(test::has_code(ErrorCode::kUnsupported)));
}

// The kernel asks no more of a command than whether this user may send any.
TEST(NvmeFile, AWriteNeedsAnOpeningForWriting) {
  const auto file = told({});
  const Status written = file->write_at(0, AlignedBytes(kBlock).span());
  ASSERT_THAT(written, test::has_code(ErrorCode::kInvalidArgument));
  EXPECT_EQ(written.error().sys_errno(), EBADF);
}

TEST(NvmeFile, NoOtherCharacterDeviceIsTakenForOne) {
  PosixFileSystem file_system;
  EXPECT_OK(file_system.open("/dev/null", {.writable = true}));
  EXPECT_THAT(file_system.open("/dev/null", {.writable = true, .direct = true}),
              test::has_code(ErrorCode::kUnsupported));
}

bool takes_commands(const IoBackend& backend) {
  const auto& features = backend.info().features;
  const auto found = std::ranges::find(features, "nvme_passthrough", &IoFeature::name);
  return found != features.end() && found->on;
}

void run(IoBackend& backend, IoOperation& operation) {
  IoOperation* const head = &operation;
  backend.submit(std::span(&head, 1), /*reap_follows=*/true);
  std::array<IoOperation*, 1> ended{};
  while (backend.reap(ended, IoBackend::kForever) == 0) continue;
}

// Linux since 6.1 lets the null device succeed at any command: what is left is the way there and
// back, in pieces.
TEST(NvmeFile, ARingThatPassesCommandsCountsWhatTheyMove) {
  PosixFileSystem file_system;
  const auto made = UringBackend::make(file_system, {.nvme_passthrough = true}, "the test says so");
  if (!made) GTEST_SKIP() << made.error().to_string();
  IoBackend& backend = **made;
  if (!takes_commands(backend)) GTEST_SKIP() << describe(backend.info());
  const auto file = told({.writable = true});
  const IoFile known(backend, *file);
  ASSERT_GE(known.slot(), 0);
  const AlignedBytes memory(std::size_t{1} << 20);
  IoOperation operation;
  operation.request.kind = IoKind::kSync;
  operation.request.file = &known;
  run(backend, operation);
  if (!operation.outcome) GTEST_SKIP() << operation.outcome.error().to_string();
  for (const IoKind kind : {IoKind::kRead, IoKind::kWrite}) {
    operation.request = {};
    operation.request.kind = kind;
    operation.request.file = &known;
    operation.request.buffers.push_back(IoBuffer::borrow(memory.span()));
    operation.request.buffers.push_back(IoBuffer::borrow(memory.span().first(512)));
    run(backend, operation);
    ASSERT_OK(operation.outcome);
    EXPECT_EQ(operation.transferred, memory.span().size() + 512);
  }
  // The end of the namespace cuts a read short, and no command reaches beyond it.
  operation.request.kind = IoKind::kRead;
  operation.request.offset = kTold.bytes() - 512 * 1024;
  run(backend, operation);
  ASSERT_OK(operation.outcome);
  EXPECT_EQ(operation.transferred, 512U * 1024);
}

TEST(NvmeFile, WithoutItsOptionARingLeavesANamespaceToTheFile) {
  PosixFileSystem file_system;
  const auto made = UringBackend::make(file_system, {}, "the test says so");
  if (!made) GTEST_SKIP() << made.error().to_string();
  EXPECT_FALSE(takes_commands(**made));
  const auto file = told({.writable = true});
  const IoFile known(**made, *file);
  EXPECT_EQ(known.slot(), -1);
  IoOperation operation;
  operation.request.kind = IoKind::kSync;
  operation.request.file = &known;
  run(**made, operation);
  ASSERT_FALSE(operation.outcome);
  EXPECT_EQ(operation.outcome.error().sys_errno(), ENOTTY);
}

// What follows runs on the namespace that NACRE_TEST_NVME names; without one there is none of it,
// but for what says so.

IoBackendCase ring(std::string name, UringWishes wishes) {
  return {.name = std::move(name),
          .make = [wishes](FileSystem& file_system) -> Result<std::unique_ptr<IoBackend>> {
            return UringBackend::make(file_system, wishes, "the test says so");
          },
          .single_thread = wishes.single_thread,
          .on_namespace = true};
}

/// None without a namespace.
std::vector<IoBackendCase> every_case() {
  if (test::test_namespace().character_device.empty()) return {};
  return {
      {.name = "Posix",
       .make = [](FileSystem& file_system) -> Result<std::unique_ptr<IoBackend>> {
         return std::make_unique<PosixBackend>(file_system, PosixBackend::Options{});
       },
       .on_namespace = true},
      ring("RingWithoutCommands", {}),
      ring("Shared", {.nvme_passthrough = true}),
      ring("SingleThread", {.single_thread = true, .nvme_passthrough = true}),
      ring("KernelPolls", {.kernel_polls_submissions = true, .nvme_passthrough = true}),
      ring("NoFeatures", {.nvme_passthrough = true, .optional_features = false}),
      ring("Shallow", {.depth = 8, .nvme_passthrough = true}),
      ring("PolledWhereItIsSafe", {.poll_device = true, .nvme_passthrough = true}),
      // What one thread submits and polls for, and does not fail beside others, no kernel crashes
      // on.
      ring("PolledSingleThread", {.single_thread = true,
                                  .poll_device = true,
                                  .nvme_passthrough = true,
                                  .trusts_kernel = true}),
  };
}

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(IoBackendContract);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(IoBufferGroupContract);
INSTANTIATE_TEST_SUITE_P(Nvme, IoBackendContract, testing::ValuesIn(every_case()),
                         [](const auto& the) { return the.param.name; });
INSTANTIATE_TEST_SUITE_P(Nvme, IoBufferGroupContract, testing::ValuesIn(every_case()),
                         [](const auto& the) { return the.param.name; });

/// What takes the place of names and sizes.
class NvmeContract : public IoBackendContract {};
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(NvmeContract);

INSTANTIATE_TEST_SUITE_P(Nvme, NvmeContract, testing::ValuesIn(every_case()),
                         [](const auto& the) { return the.param.name; });

TEST_P(NvmeContract, BothDevicesOfANamespaceHaveTheSameBytes) {
  IoFile& file = create("a");
  const auto block_device =
      file_system_.open(test::test_namespace().block_device, {.writable = true, .direct = true});
  ASSERT_OK(block_device);
  EXPECT_EQ((*block_device)->size().value(), file.file().size().value());
  const AlignedBytes one(96 * kBlock, 1);
  const AlignedBytes two(96 * kBlock, 2);
  const AlignedBytes into(96 * kBlock);
  IoRequest durable = write(file, kBlock, one.span());
  durable.durable = true;
  ASSERT_OK(run_one(std::move(durable))->outcome);
  ASSERT_OK((*block_device)->read_at(kBlock, into.span()));
  EXPECT_TRUE(into.text() == one.text());
  ASSERT_OK((*block_device)->write_at(200 * kBlock, two.span()));
  ASSERT_OK(run_one(read(file, 200 * kBlock, into.span()))->outcome);
  EXPECT_TRUE(into.text() == two.text());
}

TEST_P(NvmeContract, TheEndOfTheNamespaceIsTheEndOfTheFile) {
  IoFile& file = create("a");
  const std::uint64_t end = file.file().size().value();
  const AlignedBytes source(64 * kBlock, 1);
  const AlignedBytes into(64 * kBlock);
  ASSERT_OK(run_one(write(file, end - source.span().size(), source.span()))->outcome);
  const auto over_end = run_one(read(file, end - 40 * kBlock, into.span()));
  ASSERT_OK(over_end->outcome);
  EXPECT_EQ(over_end->transferred, 40 * kBlock);
  EXPECT_TRUE(into.text().substr(0, 40 * kBlock) == source.text().substr(24 * kBlock));
  for (const std::uint64_t offset : {end, end + kBlock}) {
    const auto behind = run_one(read(file, offset, into.span()));
    ASSERT_OK(behind->outcome);
    EXPECT_EQ(behind->transferred, 0U);
  }
  const auto beyond = run_one(write(file, end - kBlock, source.span()));
  ASSERT_THAT(beyond->outcome, test::has_code(ErrorCode::kNoSpace));
  EXPECT_EQ(beyond->outcome.error().offset(), end - kBlock);
  EXPECT_EQ(beyond->outcome.error().path(), file.file().path().string());
}

TEST_P(NvmeContract, AChainStopsAtTheStepThatFails) {
  IoFile& file = create("a");
  const std::uint64_t end = file.file().size().value();
  const AlignedBytes source(2 * kBlock, 1);
  const AlignedBytes into(2 * kBlock);
  const auto chain = [&](std::uint64_t offset) {
    std::vector<IoRequest> steps;
    steps.push_back(write(file, 0, source.span()));
    steps.push_back(write(file, offset, source.span()));
    steps.push_back(on_file(IoKind::kSyncData, file));
    steps.push_back(read(file, 0, into.span()));
    return run_chain(std::move(steps));
  };
  for (const auto& step : chain(64 * kBlock)) EXPECT_OK(step->outcome);
  EXPECT_EQ(into.text(), source.text());
  const auto broken = chain(end);
  EXPECT_OK(broken[0]->outcome);
  EXPECT_THAT(broken[1]->outcome, test::has_code(ErrorCode::kNoSpace));
  EXPECT_THAT(broken[2]->outcome, test::has_code(ErrorCode::kCancelled));
  EXPECT_THAT(broken[3]->outcome, test::has_code(ErrorCode::kCancelled));
}

TEST_P(NvmeContract, BlocksAreTheSmallestUnit) {
  IoFile& file = create("a");
  const AlignedBytes memory(kBlock, 1);
  const auto small = run_one(write(file, 512, memory.span().subspan(1024, 1536)));
  const auto odd = run_one(write(file, 0, memory.span().first(100)));
  ASSERT_THAT(odd->outcome, test::has_code(ErrorCode::kInvalidArgument));
  EXPECT_THAT(odd->outcome.error().message(), HasSubstr("multiples of its block"));
  if (!small->outcome) GTEST_SKIP() << "the block of this namespace is larger than 512 bytes";
  const AlignedBytes into(kBlock);
  ASSERT_OK(run_one(read(file, 0, into.span().first(2048)))->outcome);
  EXPECT_EQ(into.text().substr(512, 1536), memory.text().substr(1024, 1536));
}

// Many parts, of which a command takes but some.
TEST_P(NvmeContract, ALongTransferIsSeveralCommands) {
  IoFile& file = create("a");
  const AlignedBytes source(700 * kBlock, 1);
  const AlignedBytes into(700 * kBlock);
  const test::AlignedBytes registered(300 * kBlock, 3);
  const IoMemory area(backend(), registered.span());
  IoRequest parts = write(file, 0, source.span().first(3 * kBlock));
  for (std::size_t at = 3; at < 500; ++at) {
    parts.buffers.push_back(IoBuffer::borrow(source.span().subspan(at * kBlock, kBlock)));
  }
  ASSERT_OK(run_one(std::move(parts))->outcome);
  ASSERT_OK(run_one(write(file, 500 * kBlock, source.span().subspan(500 * kBlock)))->outcome);
  const auto got = run_one(read(file, 0, into.span()));
  ASSERT_OK(got->outcome);
  EXPECT_EQ(got->transferred, into.span().size());
  EXPECT_TRUE(into.text() == source.text());
  // Whole pages of registered memory, and what is none.
  for (const std::size_t skip : {std::size_t{0}, kBlock, kBlock + 1536}) {
    IoRequest known = on_file(IoKind::kWrite, file, kBlock);
    known.buffers.push_back(IoBuffer::borrow(registered.span().subspan(skip), area.slot()));
    const auto written = run_one(std::move(known));
    ASSERT_OK(written->outcome);
    EXPECT_EQ(written->transferred, registered.span().size() - skip);
    ASSERT_OK(run_one(read(file, kBlock, into.span()))->outcome);
    EXPECT_TRUE(into.text().starts_with(registered.text().substr(skip)));
  }
}

TEST_P(NvmeContract, WhatANamespaceDoesNotDoIsRefusedByName) {
  IoFile& file = create("a");
  for (const IoKind kind : {IoKind::kTruncate, IoKind::kAllocate}) {
    const auto refused = run_one(on_file(kind, file, 0, kBlock));
    ASSERT_FALSE(refused->outcome);
    EXPECT_THAT(refused->outcome.error().message(),
                testing::AnyOf(HasSubstr("an NVMe namespace"), HasSubstr("polls its device")));
  }
  const auto opened = file_system_.open(test::test_namespace().character_device, {});
  ASSERT_OK(opened);
  const IoFile read_only(backend(), **opened);
  const AlignedBytes source(kBlock, 1);
  const auto refused = run_one(write(read_only, 0, source.span()));
  ASSERT_THAT(refused->outcome, test::has_code(ErrorCode::kInvalidArgument));
  EXPECT_EQ(refused->outcome.error().sys_errno(), EBADF);
}

// The file takes the namespace for larger than it is, so that the device has the last word.
TEST_P(NvmeContract, WhatTheDeviceFailsIsNamedByItsStatus) {
  IoFile& file = create("a");
  NvmeNamespace space = dynamic_cast<NvmeFile&>(file.file()).space();
  const std::uint64_t end = space.bytes();
  space.blocks += 1024;
  const auto device = test::test_namespace().character_device;
  const int descriptor = ::open(device.c_str(), O_RDWR | O_CLOEXEC);
  ASSERT_GE(descriptor, 0);
  NvmeFile larger(descriptor, {.writable = true}, space, device);
  const IoFile known(backend(), larger);
  const AlignedBytes memory(64 * kBlock, 1);
  // The first command, of 32 blocks, lies within; the second does not.
  for (int writes = 0; writes < 2; ++writes) {
    const std::uint64_t offset = end - 32 * kBlock;
    const auto failed = run_one(writes != 0 ? write(known, offset, memory.span())
                                            : read(known, offset, memory.span()));
    ASSERT_FALSE(failed->outcome);
    EXPECT_EQ(failed->outcome.error().code(), ErrorCode::kIo);
    EXPECT_THAT(failed->outcome.error().message(), HasSubstr("0x080, LBA out of range"));
    EXPECT_EQ(failed->outcome.error().offset(), end);
    EXPECT_EQ(failed->outcome.error().path(), device.string());
    EXPECT_EQ(failed->transferred, 0U);
  }
}

// A step behind a command that the device has failed: to the kernel that was a success, for a
// status is no errno, and a step that was linked to it would begin.
TEST_P(NvmeContract, NothingIsLinkedBehindACommand) {
  IoFile& file = create("a");
  NvmeNamespace space = dynamic_cast<NvmeFile&>(file.file()).space();
  const std::uint64_t end = space.bytes();
  space.blocks += 1024;
  const auto device = test::test_namespace().character_device;
  NvmeFile larger(::open(device.c_str(), O_RDWR | O_CLOEXEC), {.writable = true}, space, device);
  const IoFile known(backend(), larger);
  const AlignedBytes source(kBlock, 1);
  std::vector<IoRequest> steps;
  steps.push_back(write(known, end, source.span()));
  steps.push_back(write(file, 0, source.span()));
  const auto ended = run_chain(std::move(steps));
  EXPECT_FALSE(ended[0]->outcome);
  EXPECT_THAT(ended[1]->outcome, test::has_code(ErrorCode::kCancelled));
  EXPECT_EQ(leading_bytes(file), 0U);
}

class NvmeDevice : public testing::Test {
 protected:
  void SetUp() override {
    if (given_.character_device.empty()) GTEST_SKIP() << given_.refusal;
    ASSERT_EQ(given_.refusal, "");
  }

  const test::TestNamespace given_ = test::test_namespace();
  PosixFileSystem file_system_;
};

TEST_F(NvmeDevice, TheLockHoldsOffItsBlockDevice) {
  const auto one = file_system_.open(given_.character_device, {.writable = true});
  const auto two = file_system_.open(given_.character_device, {.writable = true, .direct = true});
  ASSERT_OK(one);
  ASSERT_OK(two);
  ASSERT_OK((*one)->lock_exclusive());
  EXPECT_THAT((*two)->lock_exclusive(), test::has_code(ErrorCode::kBusy));
  // As a mount does.
  EXPECT_LT(::open(given_.block_device.c_str(), O_RDONLY | O_EXCL | O_CLOEXEC), 0);
}

TEST_F(NvmeDevice, TheLockIsBusyWhileTheBlockDeviceIsInUse) {
  const int claim = ::open(given_.block_device.c_str(), O_RDONLY | O_EXCL | O_CLOEXEC);
  ASSERT_GE(claim, 0);
  const auto file = file_system_.open(given_.character_device, {.writable = true});
  ASSERT_OK(file);
  for (int round = 0; round < 2; ++round) {
    const Status busy = (*file)->lock_exclusive();
    ASSERT_THAT(busy, test::has_code(ErrorCode::kBusy));
    EXPECT_THAT(busy.error().message(), HasSubstr(given_.block_device.string()));
  }
  ::close(claim);
  EXPECT_OK((*file)->lock_exclusive());
}

/// How often the device has interrupted a processor for its queues of reads and writes.
std::uint64_t interrupts_of(const std::string& controller) {
  std::ifstream table("/proc/interrupts");
  std::uint64_t sum = 0;
  for (std::string line; std::getline(table, line);) {
    std::istringstream words(line);
    std::vector<std::string> all;
    for (std::string word; words >> word;) all.push_back(word);
    if (all.empty() || !all.back().starts_with(controller + "q")) continue;
    if (all.back() == controller + "q0") continue;  // For administration.
    for (std::size_t i = 1; i < all.size() && all[i].find_first_not_of("0123456789") == all[i].npos;
         ++i) {
      sum += std::stoull(all[i]);
    }
  }
  return sum;
}

// A ring that asks for polling is also served by a device that interrupts, and nothing that it
// returns tells the two apart.
TEST_F(NvmeDevice, PolledReadsAreNotInterruptedFor) {
  std::ifstream parameter("/sys/module/nvme/parameters/poll_queues");
  unsigned poll_queues = 0;
  parameter >> poll_queues;
  if (poll_queues == 0) GTEST_SKIP() << "the driver has no queues for polling (nvme.poll_queues)";
  const std::string name = given_.character_device.filename().string();
  const std::string controller = "nvme" + name.substr(2, name.find('n', 2) - 2);
  constexpr std::uint64_t kReads = 64;
  for (const bool by_commands : {false, true}) {
    for (const bool polled : {false, true}) {
      SCOPED_TRACE(by_commands);
      SCOPED_TRACE(polled);
      const auto made = UringBackend::make(file_system_,
                                           {.single_thread = true,
                                            .poll_device = polled,
                                            .nvme_passthrough = by_commands,
                                            .trusts_kernel = true},
                                           "the test says so");
      ASSERT_OK(made);
      const auto file = file_system_.open(
          by_commands ? given_.character_device : given_.block_device, {.direct = true});
      ASSERT_OK(file);
      const IoFile known(**made, **file);
      const AlignedBytes into(kBlock);
      const std::uint64_t before = interrupts_of(controller);
      for (std::uint64_t i = 0; i < kReads; ++i) {
        IoOperation operation;
        operation.request.kind = IoKind::kRead;
        operation.request.file = &known;
        operation.request.offset = i * kBlock;
        operation.request.buffers.push_back(IoBuffer::borrow(into.span()));
        run(**made, operation);
        ASSERT_OK(operation.outcome);
      }
      const std::uint64_t interrupts = interrupts_of(controller) - before;
      if (polled) {
        EXPECT_EQ(interrupts, 0U);
      } else {
        EXPECT_GE(interrupts, 1U);
      }
    }
  }
}

}  // namespace
}  // namespace nacre
