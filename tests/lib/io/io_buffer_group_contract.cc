// What every IoBackend does for reads that get their buffer from a group, whether the memory of the
// group is registered or not.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <deque>
#include <mutex>
#include <optional>
#include <random>
#include <set>
#include <thread>
#include <utility>

#include "lib/io/errno_error.h"
#include "nacre/io_buffer_group.h"
#include "tests/lib/io/io_buffer_group_contract.h"
#include "tests/support/child_process.h"
#include "tests/support/forwarding_file_system.h"
#include "tests/support/result_matchers.h"
#include "tests/support/seed.h"

namespace nacre::test {
namespace {

constexpr std::size_t kBlock = 4096;
constexpr std::size_t kBuffers = 4;
constexpr std::size_t kBufferBytes = 4 * kBlock;
constexpr std::array kRegistered{false, true};

}  // namespace

/// A group with memory of its own.
class IoBufferGroupContract::Lender {
 public:
  Lender(IoBackend& backend, bool registered, std::size_t count = kBuffers)
      : memory_(count * kBufferBytes) {
    if (registered) registration_.emplace(backend, memory_.span());
    const int slot = registered ? registration_->slot() : -1;
    std::vector<IoBuffer> buffers;
    for (std::size_t i = count; i > 0; --i) {
      const auto part = memory_.span().subspan((i - 1) * kBufferBytes, kBufferBytes);
      buffers.push_back(IoBuffer::borrow(part, slot));
    }
    group_.emplace(backend, std::move(buffers));
  }

  IoBufferGroup& operator*() { return *group_; }
  IoBufferGroup* operator->() { return &*group_; }
  IoRequest read(const IoFile& file, std::uint64_t offset, std::size_t bytes) {
    IoRequest request;
    request.file = &file;
    request.offset = offset;
    request.bytes = bytes;
    request.group = &*group_;
    return request;
  }

 private:
  AlignedBytes memory_;
  std::optional<IoMemory> registration_;
  std::optional<IoBufferGroup> group_;
};

namespace {

std::string text_of(const IoOperation& ended) {
  if (ended.request.buffers.size() != 1) return "no buffer";
  const IoBuffer& buffer = ended.request.buffers.front();
  return {reinterpret_cast<const char*>(buffer.data()), buffer.size()};
}

/// Reading it fails, whoever carries that out.
class Unreadable final : public ForwardingFile {
 public:
  explicit Unreadable(std::unique_ptr<File> file)
      : ForwardingFile(std::move(file)),
        write_only_(::open(path().c_str(), O_WRONLY | O_CLOEXEC)) {}
  ~Unreadable() override { ::close(write_only_); }
  Result<std::size_t> read_at(std::uint64_t, std::span<std::byte>) override {
    return error_from_errno(EBADF, "read the file", path());
  }
  int native_handle() const noexcept override { return write_only_; }

 private:
  int write_only_;
};

class NoDescriptor final : public ForwardingFile {
 public:
  using ForwardingFile::ForwardingFile;
  int native_handle() const noexcept override { return -1; }
};

}  // namespace

IoFile& IoBufferGroupContract::create_filled(std::string_view name, std::size_t blocks) {
  IoFile& file = create(name);
  content_ = std::make_unique<AlignedBytes>(blocks * kBlock, 1);
  EXPECT_OK(run_one(write(file, 0, content_->span()))->outcome);
  return file;
}

std::unique_ptr<File> IoBufferGroupContract::open(std::string_view name) {
  auto opened = file_system_.open(in_directory(name),
                                  {.writable = true, .create = true, .direct = GetParam().direct});
  EXPECT_OK(opened);
  return std::move(*opened);
}

void IoBufferGroupContract::expect_all_there(Lender& lender, const IoFile& file) {
  EXPECT_EQ(lender->lent(), 0U);
  std::vector<IoRequest> requests;
  for (std::size_t i = 0; i < kBuffers; ++i) {
    requests.push_back(lender.read(file, i * kBlock, kBlock));
  }
  auto ended = run(std::move(requests));
  std::set<const std::byte*> places;
  for (std::size_t i = 0; i < kBuffers; ++i) {
    ASSERT_OK(ended[i]->outcome);
    EXPECT_EQ(text_of(*ended[i]), content(i * kBlock, kBlock));
    places.insert(ended[i]->request.buffers.front().data());
  }
  EXPECT_EQ(places.size(), kBuffers);
  EXPECT_EQ(lender->lent(), kBuffers);
  ended.clear();
  EXPECT_EQ(lender->lent(), 0U);
}

TEST_P(IoBufferGroupContract, AReadGetsABufferAndItsOwnerGivesItBack) {
  IoFile& file = create_filled("a", 8);
  for (const bool registered : kRegistered) {
    Lender lender(backend(), registered);
    EXPECT_EQ(lender->buffer_bytes(), kBufferBytes);
    EXPECT_EQ(lender->buffers().size(), kBuffers);
    for (std::size_t round = 0; round < 3 * kBuffers; ++round) {
      const std::size_t offset = round % 5 * kBlock;
      const auto got = run_one(lender.read(file, offset, 3 * kBlock));
      ASSERT_OK(got->outcome);
      EXPECT_EQ(got->transferred, 3 * kBlock);
      EXPECT_EQ(text_of(*got), content(offset, 3 * kBlock));
      EXPECT_EQ(got->request.buffers.front().capacity(), kBufferBytes);
      EXPECT_EQ(lender->lent(), 1U);
      got->request.buffers.clear();
      EXPECT_EQ(lender->lent(), 0U);
    }
    expect_all_there(lender, file);
  }
}

TEST_P(IoBufferGroupContract, TheBufferIsAsLongAsWhatWasRead) {
  if (on_namespace()) GTEST_SKIP() << kNoFiles;
  IoFile& file = create_filled("a", 4);
  for (const bool registered : kRegistered) {
    Lender lender(backend(), registered);
    for (std::size_t round = 0; round < 2 * kBuffers; ++round) {
      const auto over_end = run_one(lender.read(file, 2 * kBlock, kBufferBytes));
      ASSERT_OK(over_end->outcome);
      EXPECT_EQ(over_end->transferred, 2 * kBlock);
      EXPECT_EQ(text_of(*over_end), content(2 * kBlock, 2 * kBlock));
      const auto behind = run_one(lender.read(file, 9 * kBlock, kBufferBytes));
      ASSERT_OK(behind->outcome);
      EXPECT_EQ(behind->transferred, 0U);
      EXPECT_EQ(text_of(*behind), "");
    }
    expect_all_there(lender, file);
  }
}

TEST_P(IoBufferGroupContract, WithEveryBufferLentAReadIsBusyUntilOneComesBack) {
  IoFile& file = create_filled("a", 8);
  for (const bool registered : kRegistered) {
    Lender lender(backend(), registered);
    std::deque<std::unique_ptr<IoOperation>> held;
    for (std::size_t i = 0; i < kBuffers; ++i) {
      held.push_back(run_one(lender.read(file, i * kBlock, kBlock)));
      ASSERT_OK(held.back()->outcome);
    }
    for (int round = 0; round < 3; ++round) {
      const auto refused = run_one(lender.read(file, 0, kBlock));
      ASSERT_THAT(refused->outcome, has_code(ErrorCode::kBusy));
      EXPECT_THAT(refused->outcome.error().message(), testing::HasSubstr("none of the 4 buffers"));
      EXPECT_EQ(refused->outcome.error().path(), file.file().path().string());
      EXPECT_EQ(refused->transferred, 0U);
      EXPECT_TRUE(refused->request.buffers.empty());
      held.pop_front();
      held.push_back(run_one(lender.read(file, kBlock, kBlock)));
      ASSERT_OK(held.back()->outcome);
      EXPECT_EQ(text_of(*held.back()), content(kBlock, kBlock));
    }
    held.clear();
    expect_all_there(lender, file);
  }
}

TEST_P(IoBufferGroupContract, AMistakeTakesNoBuffer) {
  IoFile& file = create_filled("a", 8);
  for (const bool registered : kRegistered) {
    Lender lender(backend(), registered);
    EXPECT_THAT(run_one(lender.read(file, 0, 0))->outcome, has_code(ErrorCode::kInvalidArgument));
    const auto long_one = run_one(lender.read(file, 0, kBufferBytes + 1));
    ASSERT_THAT(long_one->outcome, has_code(ErrorCode::kInvalidArgument));
    EXPECT_THAT(long_one->outcome.error().message(), testing::HasSubstr("16384"));
    IoRequest write = lender.read(file, 0, kBlock);
    write.kind = IoKind::kWrite;
    EXPECT_THAT(run_one(std::move(write))->outcome, has_code(ErrorCode::kInvalidArgument));
    expect_all_there(lender, file);
  }
}

TEST_P(IoBufferGroupContract, AReadThatFailsKeepsNoBuffer) {
  if (on_namespace()) GTEST_SKIP() << kNoFiles;
  IoFile& file = create_filled("a", 8);
  Unreadable bad(open("b"));
  const IoFile unreadable(backend(), bad);
  for (const bool registered : kRegistered) {
    Lender lender(backend(), registered);
    for (std::size_t round = 0; round < 2 * kBuffers; ++round) {
      const auto failed = run_one(lender.read(unreadable, 0, kBlock));
      ASSERT_FALSE(failed->outcome);
      EXPECT_EQ(failed->outcome.error().sys_errno(), EBADF);
      EXPECT_TRUE(failed->request.buffers.empty());
      if (!GetParam().direct) continue;
      const auto odd = run_one(lender.read(file, 1, kBlock));
      ASSERT_THAT(odd->outcome, has_code(ErrorCode::kInvalidArgument));
      EXPECT_THAT(odd->outcome.error().message(), testing::HasSubstr("4096"));
      EXPECT_TRUE(odd->request.buffers.empty());
      EXPECT_THAT(run_one(lender.read(file, 0, 100))->outcome,
                  has_code(ErrorCode::kInvalidArgument));
    }
    expect_all_there(lender, file);
  }
}

TEST_P(IoBufferGroupContract, AFileWithoutADescriptorIsReadIntoOneToo) {
  if (on_namespace()) GTEST_SKIP() << kNoFiles;
  IoFile& file = create_filled("a", 8);
  NoDescriptor plain(open("a"));
  const IoFile known(backend(), plain);
  for (const bool registered : kRegistered) {
    Lender lender(backend(), registered);
    std::vector<std::unique_ptr<IoOperation>> held;
    for (std::size_t i = 0; i < kBuffers; ++i) {
      held.push_back(run_one(lender.read(known, i * kBlock, kBufferBytes)));
      ASSERT_OK(held.back()->outcome);
      EXPECT_EQ(text_of(*held.back()), content(i * kBlock, kBufferBytes));
    }
    EXPECT_THAT(run_one(lender.read(known, 0, kBlock))->outcome, has_code(ErrorCode::kBusy));
    held.clear();
    expect_all_there(lender, file);
  }
}

TEST_P(IoBufferGroupContract, StepsOfAChainGetBuffers) {
  IoFile& file = create_filled("a", 8);
  const AlignedBytes source(kBlock, 2);
  for (const bool registered : kRegistered) {
    Lender lender(backend(), registered);
    for (std::size_t round = 0; round < kBuffers; ++round) {
      std::vector<IoRequest> steps;
      steps.push_back(write(file, 0, source.span()));
      steps.push_back(lender.read(file, 0, 2 * kBlock));
      steps.push_back(on_file(IoKind::kSyncData, file));
      steps.push_back(lender.read(file, kBlock, 2 * kBlock));
      steps.push_back(write(file, 0, content_->span().first(kBlock)));
      const auto ended = run_chain(std::move(steps));
      for (const auto& step : ended) ASSERT_OK(step->outcome);
      EXPECT_EQ(text_of(*ended[1]), source.text() + content(kBlock, kBlock));
      EXPECT_EQ(text_of(*ended[3]), content(kBlock, 2 * kBlock));
    }
    expect_all_there(lender, file);
  }
}

TEST_P(IoBufferGroupContract, AReadBehindAFailedStepGetsNone) {
  if (on_namespace()) GTEST_SKIP() << kNoFiles;
  IoFile& file = create_filled("a", 8);
  Unreadable bad(open("b"));
  const IoFile unreadable(backend(), bad);
  for (const bool registered : kRegistered) {
    Lender lender(backend(), registered);
    for (std::size_t round = 0; round < 2 * kBuffers; ++round) {
      std::vector<IoRequest> steps;
      steps.push_back(lender.read(unreadable, 0, kBlock));
      steps.push_back(lender.read(file, 0, kBlock));
      const auto ended = run_chain(std::move(steps));
      ASSERT_FALSE(ended[0]->outcome);
      EXPECT_EQ(ended[0]->outcome.error().sys_errno(), EBADF);
      EXPECT_THAT(ended[1]->outcome, has_code(ErrorCode::kCancelled));
      EXPECT_TRUE(ended[1]->request.buffers.empty());
    }
    expect_all_there(lender, file);
  }
}

// More reads than buffers, all called back at once: some have read, some found no buffer.
TEST_P(IoBufferGroupContract, CancelledReadsLoseNoBuffer) {
  IoFile& file = create_filled("a", 64);
  const std::size_t count = std::min<std::size_t>(16, backend().depth());
  for (int round = 0; round < 20; ++round) {
    Lender lender(backend(), round % 2 == 1);
    std::vector<std::unique_ptr<IoOperation>> operations;
    std::vector<IoOperation*> heads;
    for (std::size_t i = 0; i < count; ++i) {
      operations.push_back(std::make_unique<IoOperation>());
      operations.back()->request = lender.read(file, i * kBlock, kBufferBytes);
      operations.back()->request.io_class = IoClass::kCompaction;
      heads.push_back(operations.back().get());
    }
    backend().submit(heads, /*reap_follows=*/false);
    for (IoOperation* head : heads) backend().cancel(*head);
    std::vector<IoOperation*> ended(count);
    for (std::size_t got = 0; got < count;) {
      got += backend().reap(std::span(ended).subspan(got), IoBackend::kForever);
    }
    std::size_t lent = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const IoOperation& operation = *operations[i];
      if (operation.outcome) {
        ++lent;
        EXPECT_EQ(text_of(operation), content(i * kBlock, kBufferBytes));
      } else {
        EXPECT_THAT(operation.outcome,
                    testing::AnyOf(has_code(ErrorCode::kCancelled), has_code(ErrorCode::kBusy)));
        EXPECT_TRUE(operation.request.buffers.empty());
      }
    }
    EXPECT_EQ(lender->lent(), lent);
    operations.clear();
    expect_all_there(lender, file);
  }
}

TEST_P(IoBufferGroupContract, BuffersComeBackFromOtherThreads) {
  IoFile& file = create_filled("a", 64);
  for (const bool registered : kRegistered) {
    Lender lender(backend(), registered);
    std::mutex mutex;
    std::vector<IoBuffer> shared;
    std::atomic<bool> over{false};
    std::thread returner([&] {
      while (!over.load()) {
        std::vector<IoBuffer> taken;
        {
          const std::lock_guard lock(mutex);
          taken.swap(shared);
        }
        taken.clear();
        std::this_thread::yield();
      }
    });
    for (std::size_t read = 0; read < 500;) {
      auto got = run_one(lender.read(file, read % 60 * kBlock, kBufferBytes));
      if (!got->outcome) {
        ASSERT_THAT(got->outcome, has_code(ErrorCode::kBusy));
        std::this_thread::yield();
        continue;
      }
      ASSERT_TRUE(text_of(*got) == content(read % 60 * kBlock, kBufferBytes));
      ++read;
      const std::lock_guard lock(mutex);
      shared.push_back(std::move(got->request.buffers.front()));
    }
    over = true;
    returner.join();
    shared.clear();
    expect_all_there(lender, file);
  }
}

// Groups come and go, and reads of several are under way together; what is held keeps its content.
TEST_P(IoBufferGroupContract, RandomReadsHoldWhatTheyRead) {
  std::mt19937_64 random(seed());
  constexpr std::size_t kBlocks = 64;
  IoFile& file = create_filled("a", kBlocks);
  for (int round = 0; round < 10; ++round) {
    std::array<Lender, 2> lenders{Lender(backend(), random() % 2 == 0),
                                  Lender(backend(), random() % 2 == 0, 7)};
    std::vector<std::unique_ptr<IoOperation>> held;
    for (int batch = 0; batch < 20; ++batch) {
      std::vector<IoRequest> requests;
      const std::size_t count = 1 + random() % std::min<std::size_t>(6, backend().depth());
      for (std::size_t i = 0; i < count; ++i) {
        Lender& lender = lenders[random() % 2];
        const std::size_t blocks = 1 + random() % (kBufferBytes / kBlock);
        requests.push_back(lender.read(file, random() % kBlocks * kBlock, blocks * kBlock));
      }
      for (auto& ended : run(std::move(requests))) {
        if (ended->outcome) {
          held.push_back(std::move(ended));
        } else {
          ASSERT_THAT(ended->outcome, has_code(ErrorCode::kBusy));
        }
      }
      for (const auto& one : held) {
        const IoRequest& request = one->request;
        ASSERT_TRUE(text_of(*one) == content(request.offset, request.bytes));
      }
      std::shuffle(held.begin(), held.end(), random);
      held.resize(held.size() - random() % (held.size() + 1));
    }
    EXPECT_EQ(lenders[0]->lent() + lenders[1]->lent(), held.size());
  }
}

TEST_P(IoBufferGroupContract, AForkedChildLeavesTheBuffersAlone) {
  IoFile& file = create_filled("a", 8);
  for (const bool registered : kRegistered) {
    Lender lender(backend(), registered);
    auto held = run_one(lender.read(file, 0, kBlock));
    ASSERT_OK(held->outcome);
    const auto in_child = [&] {
      held.reset();
      return lender->lent() == 0 ? 0 : 1;
    };
    EXPECT_EQ(exit_status(fork_child(in_child)), 0);
    held.reset();
    expect_all_there(lender, file);
  }
}

// A ring's number of a group is another group's number at the next ring, which would lend a buffer
// of that one in its name.
TEST_P(IoBufferGroupContract, AGroupOfAnotherBackendIsNotTakenForOneOfItsOwn) {
  IoFile& file = create_filled("a", 8);
  const auto other = GetParam().make(file_system_);
  ASSERT_OK(other);
  Lender here(backend(), /*registered=*/false);
  Lender there(**other, /*registered=*/false);
  const auto got = run_one(there.read(file, 0, kBlock));
  EXPECT_EQ(here->lent(), 0U);
  if (got->outcome) {
    // A list of buffers is as good for any backend.
    EXPECT_EQ(text_of(*got), content(0, kBlock));
    EXPECT_EQ(there->lent(), 1U);
    got->request.buffers.clear();
  } else {
    EXPECT_THAT(got->outcome, has_code(ErrorCode::kInvalidArgument));
  }
  EXPECT_EQ(there->lent(), 0U);
  expect_all_there(here, file);
}

}  // namespace nacre::test
