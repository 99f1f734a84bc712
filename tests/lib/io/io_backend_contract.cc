#include "tests/lib/io/io_backend_contract.h"

#include <fcntl.h>
#include <gmock/gmock.h>

#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <random>
#include <thread>
#include <utility>

#include "tests/support/child_process.h"
#include "tests/support/forwarding_file_system.h"
#include "tests/support/result_matchers.h"
#include "tests/support/seed.h"
#include "tests/support/test_namespace.h"

namespace nacre::test {

constexpr std::size_t kBlock = 4096;

/// So much of a namespace is zeros when a test begins.
constexpr std::size_t kZeroedBytes = std::size_t{8} << 20;

void IoBackendContract::SetUp() {
  if (on_namespace()) {
    const TestNamespace given = test_namespace();
    if (given.character_device.empty()) GTEST_SKIP() << given.refusal;
    ASSERT_EQ(given.refusal, "");
  }
  if (GetParam().simulated()) {
    std::filesystem::path made;
    for (const std::filesystem::path& name : directory_.path()) {
      made /= name;
      ASSERT_OK(file_system_.create_directory(made));
    }
  }
  auto made = GetParam().make(file_system_);
  if (GetParam().direct) {
    // Not every kernel's tmpfs takes it (Linux 6.6 was the first).
    const auto probe = file_system_.open(in_directory("probe"),
                                         {.writable = true, .create = true, .direct = true});
    if (!probe) GTEST_SKIP() << "no O_DIRECT here: " << probe.error().to_string();
    ASSERT_OK(file_system_.remove(in_directory("probe")));
  }
  ASSERT_OK(made);
  backend_ = std::move(*made);
}

IoFile& IoBackendContract::create(std::string_view name) {
  const OpenOptions options{
      .writable = true, .create = !on_namespace(), .direct = GetParam().direct};
  auto file = file_system_.open(
      on_namespace() ? test_namespace().character_device : in_directory(name), options);
  EXPECT_OK(file);
  if (on_namespace()) {
    EXPECT_OK((*file)->write_at(0, AlignedBytes(kZeroedBytes).span()));
  }
  files_.push_back(std::move(*file));
  io_files_.push_back(std::make_unique<IoFile>(*backend_, *files_.back()));
  return *io_files_.back();
}

std::uint64_t IoBackendContract::leading_bytes(const IoFile& file) {
  if (!on_namespace()) return file.file().size().value();
  const AlignedBytes block(kBlock);
  const std::string zeros = block.text();
  for (std::uint64_t offset = 0;; offset += kBlock) {
    EXPECT_OK(file.file().read_at(offset, block.span()));
    if (block.text() == zeros) return offset;
  }
}

IoRequest IoBackendContract::on_file(IoKind kind, const IoFile& file, std::uint64_t offset,
                                     std::uint64_t bytes) {
  IoRequest request;
  request.kind = kind;
  request.file = &file;
  request.offset = offset;
  request.bytes = bytes;
  return request;
}

IoRequest IoBackendContract::read(const IoFile& file, std::uint64_t offset,
                                  std::span<std::byte> into) {
  IoRequest request = on_file(IoKind::kRead, file, offset);
  request.buffers.push_back(IoBuffer::borrow(into));
  return request;
}

IoRequest IoBackendContract::write(const IoFile& file, std::uint64_t offset,
                                   std::span<std::byte> from) {
  IoRequest request = on_file(IoKind::kWrite, file, offset);
  request.buffers.push_back(IoBuffer::borrow(from));
  return request;
}

void IoBackendContract::reap_all(std::size_t count) {
  std::vector<IoOperation*> ended(count);
  for (std::size_t got = 0; got < count;) {
    got += backend_->reap(std::span(ended).subspan(got), IoBackend::kForever);
  }
}

std::vector<std::unique_ptr<IoOperation>> IoBackendContract::run(std::vector<IoRequest> requests) {
  std::vector<std::unique_ptr<IoOperation>> operations;
  std::vector<IoOperation*> heads;
  for (IoRequest& request : requests) {
    operations.push_back(std::make_unique<IoOperation>());
    operations.back()->request = std::move(request);
    heads.push_back(operations.back().get());
  }
  backend_->submit(heads, /*reap_follows=*/true);
  reap_all(operations.size());
  return operations;
}

std::vector<std::unique_ptr<IoOperation>> IoBackendContract::run_chain(
    std::vector<IoRequest> steps) {
  std::vector<std::unique_ptr<IoOperation>> operations;
  for (IoRequest& step : steps) {
    operations.push_back(std::make_unique<IoOperation>());
    operations.back()->request = std::move(step);
  }
  for (std::size_t i = 1; i < operations.size(); ++i) {
    operations[i - 1]->next_in_chain = operations[i].get();
  }
  IoOperation* const head = operations.front().get();
  backend_->submit(std::span(&head, 1), /*reap_follows=*/true);
  reap_all(operations.size());
  return operations;
}

std::unique_ptr<IoOperation> IoBackendContract::run_one(IoRequest request) {
  std::vector<IoRequest> requests;
  requests.push_back(std::move(request));
  return std::move(run(std::move(requests)).front());
}

std::vector<std::vector<std::unique_ptr<IoOperation>>> IoBackendContract::run_from_threads(
    std::size_t submitters, std::size_t rounds,
    const std::function<std::vector<IoRequest>(std::size_t, std::size_t)>& steps) {
  std::vector<std::vector<std::unique_ptr<IoOperation>>> chains(submitters * rounds);
  std::size_t expected = 0;
  for (std::size_t i = 0; i < chains.size(); ++i) {
    for (IoRequest& step : steps(i / rounds, i % rounds)) {
      chains[i].push_back(std::make_unique<IoOperation>());
      chains[i].back()->request = std::move(step);
      const std::size_t count = chains[i].size();
      if (count > 1) chains[i][count - 2]->next_in_chain = chains[i][count - 1].get();
      ++expected;
    }
  }
  std::atomic<std::size_t> room{backend_->depth()};
  std::vector<std::thread> threads;
  for (std::size_t thread = 0; thread < submitters; ++thread) {
    threads.emplace_back([&, thread] {
      for (std::size_t round = 0; round < rounds; ++round) {
        const auto& chain = chains[thread * rounds + round];
        std::size_t free = room.load();
        while (free < chain.size() || !room.compare_exchange_weak(free, free - chain.size())) {
          std::this_thread::yield();
          free = room.load();
        }
        IoOperation* const head = chain.front().get();
        backend_->submit(std::span(&head, 1), /*reap_follows=*/false);
      }
    });
  }
  std::array<IoOperation*, 16> ended{};
  for (std::size_t got = 0; got < expected;) {
    const std::size_t count = backend_->reap(ended, IoBackend::kForever);
    got += count;
    room += count;
  }
  for (std::thread& thread : threads) thread.join();
  return chains;
}

TEST_P(IoBackendContract, ReadsWhatWasWritten) {
  IoFile& file = create("a");
  const AlignedBytes source(3 * kBlock, 1);
  const auto written = run_one(write(file, kBlock, source.span()));
  ASSERT_OK(written->outcome);
  EXPECT_EQ(written->transferred, 3 * kBlock);
  EXPECT_EQ(written->request.buffers.size(), 1U);

  const AlignedBytes into(4 * kBlock);
  const auto got = run_one(read(file, 0, into.span()));
  ASSERT_OK(got->outcome);
  EXPECT_EQ(got->transferred, 4 * kBlock);
  EXPECT_EQ(into.text(), std::string(kBlock, '\0') + source.text());
}

TEST_P(IoBackendContract, ReadsAndWritesSeveralBuffersAsOneRange) {
  IoFile& file = create("a");
  const AlignedBytes one(kBlock, 1);
  const AlignedBytes two(2 * kBlock, 2);
  IoRequest request = write(file, 0, one.span());
  request.buffers.push_back(IoBuffer::borrow(two.span()));
  const auto written = run_one(std::move(request));
  ASSERT_OK(written->outcome);
  EXPECT_EQ(written->transferred, 3 * kBlock);

  const AlignedBytes head(2 * kBlock);
  const AlignedBytes tail(kBlock);
  IoRequest back = read(file, 0, head.span());
  back.buffers.push_back(IoBuffer::borrow(tail.span()));
  const auto got = run_one(std::move(back));
  ASSERT_OK(got->outcome);
  EXPECT_EQ(got->transferred, 3 * kBlock);
  EXPECT_EQ(head.text() + tail.text(), one.text() + two.text());
}

TEST_P(IoBackendContract, AReadIsShortOnlyAtTheEndOfTheFile) {
  if (on_namespace()) GTEST_SKIP() << kNoFiles;
  IoFile& file = create("a");
  const AlignedBytes source(2 * kBlock, 1);
  ASSERT_OK(run_one(write(file, 0, source.span()))->outcome);

  const AlignedBytes into(4 * kBlock);
  const auto over_end = run_one(read(file, kBlock, into.span()));
  ASSERT_OK(over_end->outcome);
  EXPECT_EQ(over_end->transferred, kBlock);
  const auto behind = run_one(read(file, 4 * kBlock, into.span()));
  ASSERT_OK(behind->outcome);
  EXPECT_EQ(behind->transferred, 0U);
}

TEST_P(IoBackendContract, ADurableWriteIsAWrite) {
  IoFile& file = create("a");
  const AlignedBytes source(kBlock, 1);
  IoRequest request = write(file, 0, source.span());
  request.durable = true;
  ASSERT_OK(run_one(std::move(request))->outcome);
  const AlignedBytes into(kBlock);
  ASSERT_OK(run_one(read(file, 0, into.span()))->outcome);
  EXPECT_EQ(into.text(), source.text());
}

TEST_P(IoBackendContract, SizesAndSyncsFiles) {
  if (on_namespace()) GTEST_SKIP() << kNoFiles;
  IoFile& file = create("a");
  ASSERT_OK(run_one(on_file(IoKind::kAllocate, file, kBlock, 3 * kBlock))->outcome);
  EXPECT_EQ(file.file().size().value(), 4 * kBlock);
  ASSERT_OK(run_one(on_file(IoKind::kTruncate, file, 2 * kBlock))->outcome);
  EXPECT_EQ(file.file().size().value(), 2 * kBlock);
  EXPECT_OK(run_one(on_file(IoKind::kSync, file))->outcome);
  EXPECT_OK(run_one(on_file(IoKind::kSyncData, file))->outcome);
  IoRequest advice = on_file(IoKind::kAdvise, file, 0, 2 * kBlock);
  advice.advice = POSIX_FADV_SEQUENTIAL;
  EXPECT_OK(run_one(std::move(advice))->outcome);
}

IoRequest on_path(IoKind kind, std::filesystem::path path, std::filesystem::path target = {}) {
  IoRequest request;
  request.kind = kind;
  request.path = std::move(path);
  request.target = std::move(target);
  return request;
}

TEST_P(IoBackendContract, RenamesRemovesAndSyncsNames) {
  if (on_namespace()) GTEST_SKIP() << kNoFiles;
  create("a");
  ASSERT_OK(run_one(on_path(IoKind::kRename, in_directory("a"), in_directory("b")))->outcome);
  EXPECT_FALSE(exists("a"));
  EXPECT_TRUE(exists("b"));
  EXPECT_OK(run_one(on_path(IoKind::kSyncDirectory, directory_.path()))->outcome);
  ASSERT_OK(run_one(on_path(IoKind::kRemove, in_directory("b")))->outcome);
  EXPECT_FALSE(exists("b"));
}

TEST_P(IoBackendContract, ErrorsNameThePlace) {
  if (on_namespace()) GTEST_SKIP() << kNoFiles;
  const auto gone = run_one(on_path(IoKind::kRemove, in_directory("nothing")));
  ASSERT_THAT(gone->outcome, has_code(ErrorCode::kNotFound));
  EXPECT_EQ(gone->outcome.error().path(), in_directory("nothing").string());
  EXPECT_EQ(gone->outcome.error().sys_errno(), ENOENT);

  EXPECT_THAT(run_one(on_path(IoKind::kRename, in_directory("x"), in_directory("y")))->outcome,
              has_code(ErrorCode::kNotFound));
  EXPECT_THAT(run_one(on_path(IoKind::kSyncDirectory, in_directory("no")))->outcome,
              has_code(ErrorCode::kNotFound));
}

TEST_P(IoBackendContract, AMistakeIsRefusedAndComesBack) {
  IoFile& file = create("a");
  EXPECT_THAT(run_one(IoRequest{})->outcome, has_code(ErrorCode::kInvalidArgument));
  EXPECT_THAT(run_one(on_path(IoKind::kRename, in_directory("a")))->outcome,
              has_code(ErrorCode::kInvalidArgument));
  const AlignedBytes memory(kBlock, 1);
  const auto far = run_one(write(file, std::uint64_t{1} << 63, memory.span()));
  ASSERT_THAT(far->outcome, has_code(ErrorCode::kInvalidArgument));
  EXPECT_EQ(far->outcome.error().path(), file.file().path().string());
  ASSERT_EQ(far->request.buffers.size(), 1U);
  EXPECT_EQ(far->request.buffers.front().data(), memory.span().data());
}

TEST_P(IoBackendContract, AnUnalignedDirectTransferIsRefusedByName) {
  if (!GetParam().direct) GTEST_SKIP() << "only O_DIRECT asks for alignment";
  IoFile& file = create("a");
  const AlignedBytes memory(2 * kBlock, 1);
  const auto odd = run_one(write(file, 0, memory.span().subspan(1, kBlock)));
  ASSERT_THAT(odd->outcome, has_code(ErrorCode::kInvalidArgument));
  EXPECT_THAT(odd->outcome.error().message(), testing::HasSubstr("4096"));
}

TEST_P(IoBackendContract, AChainPublishesAFile) {
  if (on_namespace()) GTEST_SKIP() << kNoFiles;
  IoFile& file = create("new.tmp");
  const AlignedBytes source(4 * kBlock, 1);
  std::vector<IoRequest> steps;
  steps.push_back(on_file(IoKind::kAllocate, file, 0, 4 * kBlock));
  steps.push_back(write(file, 0, source.span().first(kBlock)));
  steps.push_back(write(file, kBlock, source.span().subspan(kBlock)));
  steps.push_back(on_file(IoKind::kSync, file));
  steps.push_back(on_path(IoKind::kRename, in_directory("new.tmp"), in_directory("new")));
  steps.push_back(on_path(IoKind::kSyncDirectory, directory_.path()));
  for (const auto& step : run_chain(std::move(steps))) EXPECT_OK(step->outcome);
  const AlignedBytes into(4 * kBlock);
  ASSERT_OK(run_one(read(file, 0, into.span()))->outcome);
  EXPECT_EQ(into.text(), source.text());
  EXPECT_TRUE(exists("new"));
}

TEST_P(IoBackendContract, AFailedStepCancelsTheRestOfItsChain) {
  if (on_namespace()) GTEST_SKIP() << kNoFiles;
  IoFile& file = create("new.tmp");
  const AlignedBytes source(kBlock, 1);
  std::vector<IoRequest> steps;
  steps.push_back(write(file, 0, source.span()));
  steps.push_back(on_path(IoKind::kRemove, in_directory("nothing")));
  steps.push_back(on_path(IoKind::kRename, in_directory("new.tmp"), in_directory("new")));
  steps.push_back(on_path(IoKind::kSyncDirectory, directory_.path()));
  const auto ended = run_chain(std::move(steps));
  EXPECT_OK(ended[0]->outcome);
  EXPECT_THAT(ended[1]->outcome, has_code(ErrorCode::kNotFound));
  EXPECT_THAT(ended[2]->outcome, has_code(ErrorCode::kCancelled));
  EXPECT_THAT(ended[3]->outcome, has_code(ErrorCode::kCancelled));
  EXPECT_TRUE(exists("new.tmp"));
  EXPECT_FALSE(exists("new"));
}

TEST_P(IoBackendContract, AMistakeInsideAChainEndsIt) {
  if (on_namespace()) GTEST_SKIP() << kNoFiles;
  create("a");
  std::vector<IoRequest> steps;
  steps.push_back(on_path(IoKind::kRename, in_directory("a"), in_directory("b")));
  steps.push_back(IoRequest{});
  steps.push_back(on_path(IoKind::kRemove, in_directory("b")));
  const auto ended = run_chain(std::move(steps));
  EXPECT_OK(ended[0]->outcome);
  EXPECT_THAT(ended[1]->outcome, has_code(ErrorCode::kInvalidArgument));
  EXPECT_THAT(ended[2]->outcome, has_code(ErrorCode::kCancelled));
  EXPECT_TRUE(exists("b"));
}

TEST_P(IoBackendContract, WakeEndsAWait) {
  backend().wake();
  std::array<IoOperation*, 1> ended{};
  EXPECT_EQ(backend().reap(ended, IoBackend::kForever), 0U);
  EXPECT_EQ(backend().reap(ended, 0), 0U);
}

TEST_P(IoBackendContract, AWakeFromAnotherThreadEndsAWait) {
  std::array<IoOperation*, 1> ended{};
  for (int round = 0; round < 50; ++round) {
    std::thread waker([this] { backend().wake(); });
    EXPECT_EQ(backend().reap(ended, IoBackend::kForever), 0U);
    waker.join();
  }
}

TEST_P(IoBackendContract, AWaitEndsWhenItsTimeIsUp) {
  std::array<IoOperation*, 1> ended{};
  EXPECT_EQ(backend().reap(ended, 0), 0U);
  EXPECT_EQ(backend().reap(ended, 1000), 0U);
  EXPECT_EQ(backend().reap(ended, 1'000'000), 0U);
}

// A write in the middle of the chain is cut short by the limit on the size of files, then refused.
// What stands before the limit is written, the error names the place, the rest does not happen.
TEST_P(IoBackendContract, AWriteCutShortInAChainEndsItAtItsPlace) {
  if (on_namespace()) GTEST_SKIP() << kNoFiles;
  if (GetParam().simulated()) GTEST_SKIP() << "a simulated write is whole or fails";
  constexpr std::size_t kLimit = 2 * kBlock;
  const auto in_child = [&] {
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{.rlim_cur = kLimit, .rlim_max = kLimit};
    if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) return 1;
    auto made = GetParam().make(file_system_);
    if (!made) return 2;
    backend_.release();  // The parent's.
    backend_ = std::move(*made);
    IoFile& file = create("a");
    const AlignedBytes source(4 * kBlock, 1);
    std::vector<IoRequest> steps;
    steps.push_back(write(file, 0, source.span().first(kBlock)));
    steps.push_back(write(file, kBlock, source.span().first(3 * kBlock)));
    steps.push_back(on_file(IoKind::kSync, file));
    steps.push_back(write(file, 0, source.span().subspan(kBlock, kBlock)));
    const auto ended = run_chain(std::move(steps));
    if (!ended[0]->outcome) return 3;
    if (ended[1]->outcome || ended[1]->outcome.error().code() != ErrorCode::kNoSpace) return 4;
    if (ended[1]->outcome.error().offset() != kLimit) return 5;
    if (ended[2]->outcome || ended[2]->outcome.error().code() != ErrorCode::kCancelled) return 6;
    if (ended[3]->outcome || ended[3]->outcome.error().code() != ErrorCode::kCancelled) return 7;
    if (file.file().size().value() != kLimit) return 8;
    const AlignedBytes into(kBlock);
    if (!run_one(read(file, 0, into.span()))->outcome) return 9;
    return into.text() == std::string(source.text(), 0, kBlock) ? 0 : 10;
  };
  EXPECT_EQ(exit_status(fork_child(in_child)), 0);
}

TEST_P(IoBackendContract, AShortReadInAChainIsNoFailure) {
  if (on_namespace()) GTEST_SKIP() << kNoFiles;
  IoFile& file = create("a");
  const AlignedBytes source(2 * kBlock, 1);
  ASSERT_OK(run_one(write(file, 0, source.span()))->outcome);
  const AlignedBytes over_end(4 * kBlock);
  const AlignedBytes behind(kBlock);
  const AlignedBytes inside(kBlock);
  std::vector<IoRequest> steps;
  steps.push_back(read(file, kBlock, over_end.span()));
  steps.push_back(read(file, 8 * kBlock, behind.span()));
  steps.push_back(read(file, 0, inside.span()));
  steps.push_back(on_file(IoKind::kSyncData, file));
  const auto ended = run_chain(std::move(steps));
  for (const auto& step : ended) EXPECT_OK(step->outcome);
  EXPECT_EQ(ended[0]->transferred, kBlock);
  EXPECT_EQ(ended[1]->transferred, 0U);
  EXPECT_EQ(ended[2]->transferred, kBlock);
  EXPECT_EQ(inside.text(), source.text().substr(0, kBlock));
}

// Each kind of step fails in turn, in the place where a careless link would let the next one begin.
TEST_P(IoBackendContract, WhateverStepFailsTheNextDoesNotBegin) {
  if (on_namespace()) GTEST_SKIP() << kNoFiles;
  IoFile& writable = create("a");
  auto opened = file_system_.open(in_directory("a"), {.direct = GetParam().direct});
  ASSERT_OK(opened);
  const IoFile read_only(backend(), **opened);
  const AlignedBytes source(kBlock, 1);
  std::vector<std::function<IoRequest()>> failing;
  failing.emplace_back([&] { return write(read_only, 0, source.span()); });
  failing.emplace_back([&] { return on_file(IoKind::kAllocate, read_only, 0, kBlock); });
  failing.emplace_back([&] { return on_file(IoKind::kTruncate, read_only, kBlock); });
  failing.emplace_back([&] { return on_path(IoKind::kRename, in_directory("x"), "y"); });
  failing.emplace_back([&] { return on_path(IoKind::kRemove, in_directory("x")); });
  failing.emplace_back([&] { return on_path(IoKind::kSyncDirectory, in_directory("x")); });
  for (std::size_t i = 0; i < failing.size(); ++i) {
    SCOPED_TRACE(i);
    std::vector<IoRequest> steps;
    steps.push_back(write(writable, 0, source.span()));
    steps.push_back(failing[i]());
    steps.push_back(on_path(IoKind::kRename, in_directory("a"), in_directory("b")));
    const auto ended = run_chain(std::move(steps));
    EXPECT_OK(ended[0]->outcome);
    ASSERT_FALSE(ended[1]->outcome);
    EXPECT_NE(ended[1]->outcome.error().code(), ErrorCode::kCancelled);
    EXPECT_THAT(ended[2]->outcome, has_code(ErrorCode::kCancelled));
    EXPECT_TRUE(exists("a"));
  }
}

// No kernel stands behind it, so the engine has to go through the seam.
class NoDescriptor final : public ForwardingFile {
 public:
  using ForwardingFile::ForwardingFile;
  int native_handle() const noexcept override { return -1; }
};

TEST_P(IoBackendContract, AFileWithoutADescriptorWorksToo) {
  if (on_namespace()) GTEST_SKIP() << kNoFiles;
  auto opened = file_system_.open(in_directory("a"),
                                  {.writable = true, .create = true, .direct = GetParam().direct});
  ASSERT_OK(opened);
  NoDescriptor plain(std::move(*opened));
  const IoFile file(backend(), plain);
  const AlignedBytes source(2 * kBlock, 1);
  const AlignedBytes into(2 * kBlock);
  std::vector<IoRequest> steps;
  steps.push_back(on_file(IoKind::kAllocate, file, 0, 4 * kBlock));
  steps.push_back(write(file, 0, source.span()));
  steps.push_back(on_file(IoKind::kSync, file));
  steps.push_back(on_file(IoKind::kAdvise, file, 0, kBlock));
  steps.push_back(read(file, 0, into.span()));
  steps.push_back(on_file(IoKind::kTruncate, file, kBlock));
  for (const auto& step : run_chain(std::move(steps))) EXPECT_OK(step->outcome);
  EXPECT_EQ(into.text(), source.text());
  EXPECT_EQ(plain.size().value(), kBlock);
}

TEST_P(IoBackendContract, KnownMemoryIsUsedLikeAnyOther) {
  IoFile& file = create("a");
  const AlignedBytes source(8 * kBlock, 1);
  const AlignedBytes into(8 * kBlock);
  const AlignedBytes elsewhere(kBlock, 2);
  for (int round = 0; round < 3; ++round) {
    const IoMemory from(backend(), source.span());
    const IoMemory to(backend(), into.span());
    IoRequest request = on_file(IoKind::kWrite, file, 0);
    request.buffers.push_back(IoBuffer::borrow(source.span(), from.slot()));
    ASSERT_OK(run_one(std::move(request))->outcome);
    // A part of it, and memory that does not lie where the slot says.
    request = on_file(IoKind::kRead, file, kBlock);
    request.buffers.push_back(IoBuffer::borrow(into.span().subspan(kBlock, 2 * kBlock), to.slot()));
    ASSERT_OK(run_one(std::move(request))->outcome);
    EXPECT_EQ(into.text().substr(kBlock, 2 * kBlock), source.text().substr(kBlock, 2 * kBlock));
    request = on_file(IoKind::kWrite, file, 0);
    request.buffers.push_back(IoBuffer::borrow(elsewhere.span(), to.slot()));
    ASSERT_OK(run_one(std::move(request))->outcome);
    ASSERT_OK(run_one(read(file, 0, into.span()))->outcome);
    EXPECT_EQ(into.text().substr(0, kBlock), elsewhere.text());
  }
}

TEST_P(IoBackendContract, AFileThatIsNotKnownAnyMoreCanBeClosedAndAnotherOpened) {
  if (on_namespace()) GTEST_SKIP() << kNoFiles;
  const AlignedBytes source(kBlock, 1);
  for (int round = 0; round < 20; ++round) {
    auto opened = file_system_.open(
        in_directory("a"),
        {.writable = true, .create = true, .exclusive = true, .direct = GetParam().direct});
    ASSERT_OK(opened);
    const IoFile file(backend(), **opened);
    ASSERT_OK(run_one(write(file, 0, source.span()))->outcome);
    EXPECT_EQ((*opened)->size().value(), kBlock);
    ASSERT_OK(file_system_.remove(in_directory("a")));
  }
}

TEST_P(IoBackendContract, ThreadsSubmitBesideTheOneThatReaps) {
  if (GetParam().single_thread) GTEST_SKIP() << "it belongs to one thread";
  constexpr std::size_t kThreads = 3;
  constexpr std::size_t kRounds = 100;
  std::vector<IoFile*> files;
  for (std::size_t i = 0; i < kThreads; ++i) files.push_back(&create(std::to_string(i)));
  const AlignedBytes source(kBlock, 1);
  std::vector<std::unique_ptr<AlignedBytes>> into;
  for (std::size_t i = 0; i < kThreads * kRounds; ++i) {
    into.push_back(std::make_unique<AlignedBytes>(kBlock));
  }
  // The threads end before their last operations do.
  const auto chains = run_from_threads(kThreads, kRounds, [&](std::size_t t, std::size_t round) {
    std::vector<IoRequest> steps;
    steps.push_back(write(*files[t], round * kBlock, source.span()));
    if (round % 4 == 0) steps.push_back(on_file(IoKind::kSyncData, *files[t]));
    steps.push_back(read(*files[t], round * kBlock, into[t * kRounds + round]->span()));
    return steps;
  });
  for (const auto& chain : chains) {
    for (const auto& step : chain) ASSERT_OK(step->outcome);
  }
  for (const auto& memory : into) ASSERT_TRUE(memory->text() == source.text());
}

// A backend of its parent's means nothing to a child, and leaving it alone does no harm.
TEST_P(IoBackendContract, AForkedChildCanLeaveItAlone) {
  IoFile& file = create("a");
  const AlignedBytes source(kBlock, 1);
  ASSERT_OK(run_one(write(file, 0, source.span()))->outcome);
  EXPECT_EQ(exit_status(fork_child([] { return 0; })), 0);
  ASSERT_OK(run_one(write(file, kBlock, source.span()))->outcome);
  EXPECT_EQ(leading_bytes(file), 2 * kBlock);
}

TEST_P(IoBackendContract, CancelledOrDoneButReaped) {
  IoFile& file = create("a");
  const AlignedBytes source(64 * kBlock, 1);
  std::vector<std::unique_ptr<IoOperation>> operations;
  std::vector<IoOperation*> heads;
  const std::size_t count = std::min<std::size_t>(16, backend().depth());
  for (std::size_t i = 0; i < count; ++i) {
    operations.push_back(std::make_unique<IoOperation>());
    operations.back()->request = write(file, i * source.span().size(), source.span());
    heads.push_back(operations.back().get());
  }
  backend().submit(heads, /*reap_follows=*/false);
  for (IoOperation* head : heads) backend().cancel(*head);
  std::vector<IoOperation*> ended(count);
  for (std::size_t got = 0; got < count;) {
    got += backend().reap(std::span(ended).subspan(got), IoBackend::kForever);
  }
  for (const auto& operation : operations) {
    if (operation->outcome) {
      EXPECT_EQ(operation->transferred, source.span().size());
    } else {
      EXPECT_THAT(operation->outcome, has_code(ErrorCode::kCancelled));
    }
  }
}

// Random transfers, as many at once as the backend takes, against the same done in memory.
TEST_P(IoBackendContract, ManyAtOnceLeaveWhatTheyWould) {
  std::mt19937_64 random(seed());
  constexpr std::size_t kBlocks = 256;
  IoFile& file = create("a");
  std::string expected(kBlocks * kBlock, '\0');
  if (!on_namespace()) {
    ASSERT_OK(run_one(on_file(IoKind::kTruncate, file, expected.size()))->outcome);
  }
  for (int round = 0; round < 20; ++round) {
    std::vector<IoRequest> requests;
    std::vector<std::unique_ptr<AlignedBytes>> memory;
    // Disjoint ranges: nothing is said about the order of what overlaps.
    for (std::size_t block = 0; block < kBlocks && requests.size() < backend().depth();) {
      const std::size_t blocks = std::min<std::size_t>(1 + random() % 8, kBlocks - block);
      const std::size_t offset = block * kBlock;
      block += blocks;
      if (random() % 3 == 0) continue;
      memory.push_back(std::make_unique<AlignedBytes>(blocks * kBlock, random() | 1));
      requests.push_back(write(file, offset, memory.back()->span()));
      expected.replace(offset, blocks * kBlock, memory.back()->text());
    }
    for (const auto& ended : run(std::move(requests))) ASSERT_OK(ended->outcome);
  }
  const AlignedBytes into(expected.size());
  ASSERT_OK(run_one(read(file, 0, into.span()))->outcome);
  EXPECT_TRUE(into.text() == expected);
}

}  // namespace nacre::test
