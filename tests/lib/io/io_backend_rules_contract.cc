// What an IoBackend makes of its callers' mistakes: operations and files that belong elsewhere,
// and use in a forked child.

#include <gmock/gmock.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "tests/lib/io/io_backend_contract.h"
#include "tests/support/child_process.h"
#include "tests/support/result_matchers.h"

namespace nacre::test {

constexpr std::size_t kBlock = 4096;

namespace {

void run_at(IoBackend& backend, IoOperation& operation) {
  IoOperation* const head = &operation;
  backend.submit(std::span(&head, 1), /*reap_follows=*/true);
  std::array<IoOperation*, 1> ended{};
  while (backend.reap(ended, IoBackend::kForever) == 0) continue;
}

}  // namespace

// An engine once took what another kind of engine had left with an operation for its own.
TEST_P(IoBackendContract, AnOperationGoesFromBackendToBackend) {
  IoFile& file = create("a");
  const AlignedBytes source(kBlock, 1);
  IoOperation operation;
  std::uint64_t offset = 0;
  for (const IoEngine engine : {IoEngine::kAuto, IoEngine::kPosix, IoEngine::kAuto}) {
    const auto other = make_io_backend(file_system_, {.engine = engine});
    ASSERT_OK(other);
    const IoFile there(**other, file.file());
    for (const auto& [backend, known] :
         {std::pair(&this->backend(), &std::as_const(file)), std::pair(other->get(), &there)}) {
      operation.request = write(*known, offset, source.span());
      run_at(*backend, operation);
      ASSERT_OK(operation.outcome);
      offset += kBlock;
      EXPECT_EQ(leading_bytes(file), offset);
    }
  }
}

// A write to a file that had the same place in another backend's table once went into this
// backend's file of that place.
TEST_P(IoBackendContract, AFileOfAnotherBackendIsNotTakenForOneOfItsOwn) {
  if (on_namespace()) GTEST_SKIP() << kNoFiles;
  IoFile& file = create("a");
  const auto other = GetParam().make(file_system_);
  ASSERT_OK(other);
  const auto there = file_system_.open(
      in_directory("b"), {.writable = true, .create = true, .direct = GetParam().direct});
  ASSERT_OK(there);
  const IoFile foreign(**other, **there);
  const AlignedBytes source(kBlock, 1);
  for (int chained = 0; chained < 2; ++chained) {
    std::vector<IoRequest> steps;
    steps.push_back(write(foreign, 0, source.span()));
    if (chained != 0) steps.push_back(on_file(IoKind::kTruncate, foreign, 3 * kBlock));
    const auto ended = run_chain(std::move(steps));
    EXPECT_EQ(file.file().size().value(), 0U);
    if (ended.front()->outcome) {
      // An engine without a table goes by the file itself.
      EXPECT_EQ((*there)->size().value(), chained != 0 ? 3 * kBlock : kBlock);
    } else {
      EXPECT_THAT(ended.front()->outcome, has_code(ErrorCode::kInvalidArgument));
      EXPECT_THAT(ended.front()->outcome.error().to_string(),
                  testing::HasSubstr("made known to another backend"));
      EXPECT_EQ((*there)->size().value(), 0U);
    }
  }
}

// The threads and the ring stay behind: a child waited for them for ever, or died of a mapping it
// did not have.
TEST_P(IoBackendContract, AForkedChildIsToldThatItIsClosed) {
  if (GetParam().simulated()) GTEST_SKIP() << "the explorer goes on with it in forked children";
  IoFile& file = create("a");
  const AlignedBytes source(kBlock, 1);
  std::vector<IoRequest> warm;
  for (std::size_t i = 0; i < std::min<std::size_t>(16, backend().depth()); ++i) {
    warm.push_back(write(file, 0, source.span()));
  }
  for (const auto& ended : run(std::move(warm))) ASSERT_OK(ended->outcome);
  const auto in_child = [&] {
    std::vector<IoRequest> steps;
    steps.push_back(write(file, kBlock, source.span()));
    steps.push_back(on_file(IoKind::kSync, file));
    const auto ended = run_chain(std::move(steps));
    if (!refused(ended[0]->outcome) || !refused(ended[1]->outcome)) return 1;
    std::array<IoOperation*, 1> none{};
    backend().wake();
    backend().cancel(*ended[0]);
    if (backend().reap(none, 0) != 0) return 2;
    const AlignedBytes memory(kBlock);
    {
      const IoMemory known(backend(), memory.span());
    }
    forget_files();
    backend_.reset();
    return 0;
  };
  EXPECT_EQ(exit_status(fork_child(in_child)), 0);
  ASSERT_OK(run_one(write(file, 0, source.span()))->outcome);
  EXPECT_EQ(leading_bytes(file), kBlock);
}

TEST_P(IoBackendContract, MistakesOfTheProgrammerAreAsserted) {
  GTEST_FLAG_SET(death_test_style, "fast");
  const auto at_another = [&](auto mistake) {
    const auto made = GetParam().make(file_system_);
    mistake(**made);
  };
  std::array<IoOperation*, 1> ended{};
  EXPECT_DEATH(at_another([&](IoBackend& other) {
                 IoOperation operation;
                 const std::array<IoOperation*, 2> twice{&operation, &operation};
                 other.submit(twice, false);
               }),
               "submitted again before it was reaped");
  EXPECT_DEATH(at_another([&](IoBackend& other) {
                 IoOperation never;
                 other.cancel(never);
               }),
               "never submitted to this backend");
  EXPECT_DEATH(at_another([&](IoBackend& other) {
                 IoOperation* const nothing = nullptr;
                 other.submit(std::span(&nothing, 1), false);
               }),
               "null pointer");
  EXPECT_DEATH(at_another([&](IoBackend& other) {
                 std::vector<IoOperation> many(other.depth() + 1);
                 std::vector<IoOperation*> heads;
                 for (IoOperation& one : many) heads.push_back(&one);
                 other.submit(heads, false);
                 other.reap(ended, 0);
               }),
               "more operations were submitted than");
}

TEST_P(IoBackendContract, ACancelThatComesTooLateDoesNothing) {
  IoFile& file = create("a");
  const AlignedBytes source(kBlock, 1);
  IoOperation operation;
  operation.request = write(file, 0, source.span());
  run_at(backend(), operation);
  backend().cancel(operation);
  EXPECT_OK(operation.outcome);
  std::array<IoOperation*, 1> ended{};
  EXPECT_EQ(backend().reap(ended, 0), 0U);
}

// One engine took a kind out of nowhere for a success, and cut a path where it had a zero byte.
TEST_P(IoBackendContract, RequestsThatMeanNothingAreRefused) {
  IoFile& file = create("a");
  auto unknown = on_file(static_cast<IoKind>(kIoKinds), file);
  EXPECT_THAT(run_one(std::move(unknown))->outcome, has_code(ErrorCode::kInvalidArgument));
  IoRequest cut;
  cut.kind = IoKind::kRemove;
  cut.path = in_directory("a").native() + std::string("\0b", 2);
  EXPECT_THAT(run_one(std::move(cut))->outcome, has_code(ErrorCode::kInvalidArgument));
  EXPECT_EQ(exists("a"), !on_namespace());
}

TEST_P(IoBackendContract, AVeryLongWaitIsAWait) {
  std::array<IoOperation*, 1> ended{};
  for (const std::uint64_t wait_ns : {IoBackend::kForever - 1, IoBackend::kForever / 2}) {
    IoFile& file = create("a");
    const AlignedBytes source(kBlock, 1);
    IoOperation operation;
    operation.request = write(file, 0, source.span());
    IoOperation* const head = &operation;
    backend().submit(std::span(&head, 1), /*reap_follows=*/false);
    EXPECT_EQ(backend().reap(ended, wait_ns), 1U);
  }
}

}  // namespace nacre::test
