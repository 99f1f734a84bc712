// A process that forks while it has a log open. The child inherits mappings, descriptors and the
// lock; it once could append to the log beside its parent, and marked it as cleanly closed on its
// way out.

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <memory>
#include <optional>
#include <semaphore>
#include <string>
#include <thread>
#include <utility>

#include "nacre/executor.h"
#include "nacre/wal.h"
#include "tests/support/child_process.h"
#include "tests/support/forwarding_file_system.h"
#include "tests/support/result_matchers.h"
#include "tests/wal/log_files.h"
#include "tests/wal/wal_domain.h"

namespace nacre {
namespace {

using test::exit_status;
using test::fork_child;
using test::LogPlace;
using test::refused;

class ForkTest : public testing::TestWithParam<LogPlace> {
 protected:
  Result<Wal> open() {
    return Wal::open(path_, {.segment_bytes = kMinSegmentBytes,
                             .spare_segments = 0,
                             .domain = test::domain_of(GetParam()),
                             .environment = {.executor = &executor_}});
  }

  std::unique_ptr<test::TempDirectory> directory_ = test::directory_for(GetParam());
  std::filesystem::path path_ = directory_->path() / "log";
  // Without threads: a child has but the one that forked.
  DeterministicExecutor executor_{1};
};

INSTANTIATE_TEST_SUITE_P(Domain, ForkTest,
                         testing::Values(LogPlace::kBlock, LogPlace::kEmulatedInMemory),
                         test::place_name);

TEST_P(ForkTest, AChildIsRefusedAndLeavesTheLogAlone) {
  auto opened = open();
  ASSERT_OK(opened);
  std::optional<Wal> wal(*std::move(opened));
  ASSERT_OK(wal->lane(0).append(as_bytes("before")));
  ASSERT_OK_AND_ASSIGN(const Lsn submitted, wal->lane(0).submit(as_bytes("under way")));
  const auto before = test::directory_content(path_);
  const pid_t child = fork_child([&]() -> int {
    Lane lane = wal->lane(0);
    const std::array<Bytes, 1> batch = {as_bytes("child")};
    if (!refused(lane.append(as_bytes("child")))) return 1;
    if (!refused(lane.append_batch(batch))) return 2;
    if (!refused(lane.submit(as_bytes("child")))) return 3;
    if (!refused(lane.claim(5))) return 4;
    if (!refused(wal->truncate(Lsn{1}))) return 5;
    if (!refused(wal->close())) return 6;
    wal.reset();
    return 0;
  });
  EXPECT_EQ(exit_status(child), 0);
  EXPECT_THAT(test::changed_files(before, test::directory_content(path_)), testing::IsEmpty());

  ASSERT_OK(wal->lane(0).wait(submitted));
  ASSERT_OK(wal->lane(0).append(as_bytes("after")));
  ASSERT_OK(wal->close());
  std::size_t records = 0;
  ASSERT_OK_AND_ASSIGN(const Wal again, open());
  ASSERT_OK(again.replay([&](std::uint32_t, const RecordView&) {
    ++records;
    return Status();
  }));
  EXPECT_EQ(records, 3U);
}

/// Holds up whoever writes to a segment, once.
class HeldFile final : public test::ForwardingFile {
 public:
  HeldFile(std::unique_ptr<File> file, std::binary_semaphore& held, std::binary_semaphore& go)
      : ForwardingFile(std::move(file)), held_(held), go_(go) {}
  Status write_at(std::uint64_t offset, Bytes bytes) override {
    if (!std::exchange(written_, true)) {
      held_.release();
      go_.acquire();
    }
    return ForwardingFile::write_at(offset, bytes);
  }

 private:
  std::binary_semaphore& held_;
  std::binary_semaphore& go_;
  bool written_ = false;
};

class HoldingFileSystem final : public test::ForwardingFileSystem {
 public:
  Result<std::unique_ptr<File>> open(const std::filesystem::path& path,
                                     const OpenOptions& options) override {
    auto file = ForwardingFileSystem::open(path, options);
    if (!file || path.extension() != ".seg" || std::exchange(opened_, true)) return file;
    return std::make_unique<HeldFile>(*std::move(file), held, go);
  }
  std::binary_semaphore held{0};
  std::binary_semaphore go{0};

 private:
  bool opened_ = false;
};

// A thread of the parent writes a header under the lane's lock, which the child's copy of the lane
// has locked for ever. The child looked for open claims first, under that lock.
TEST(ForkBlockTest, AChildCanCloseWhateverThreadsOfItsParentWereAt) {
  const auto directory = test::directory_for(LogPlace::kBlock);
  HoldingFileSystem files;
  DeterministicExecutor executor{1};
  auto wal = Wal::open(directory->path() / "log",
                       {.segment_bytes = kMinSegmentBytes,
                        .spare_segments = 0,
                        .domain = DomainRequest::kBlock,
                        .environment = {.file_system = &files, .executor = &executor}});
  ASSERT_OK(wal);
  std::thread writer([&] { EXPECT_OK(wal->lane(0).append(as_bytes("record"))); });
  files.held.acquire();
  const pid_t child = fork_child([&] {
    const Status closed = wal->close();
    return !closed && closed.error().code() == ErrorCode::kClosed ? 0 : 1;
  });
  EXPECT_EQ(exit_status(child), 0);
  files.go.release();
  writer.join();
  EXPECT_OK(wal->close());
}

// A child was told of its parent's claim, which is not for it to end.
TEST_P(ForkTest, AChildCannotCloseWhileItsParentHasAClaim) {
  ASSERT_OK_AND_ASSIGN(Wal wal, open());
  ASSERT_OK_AND_ASSIGN(Claim claim, wal.lane(0).claim(5));
  EXPECT_EQ(exit_status(fork_child([&] { return refused(wal.close()) ? 0 : 1; })), 0);
}

// The lock went only with its last descriptor, and the child held one for as long as it lived.
TEST_P(ForkTest, AChildDoesNotKeepTheLock) {
  auto wal = open();
  ASSERT_OK(wal);
  std::array<int, 2> pipe{};
  ASSERT_EQ(::pipe(pipe.data()), 0);
  const pid_t child = fork_child([&] {
    ::close(pipe[1]);
    char byte = 0;
    // Until the parent is through.
    return ::read(pipe[0], &byte, 1) == 0 ? 0 : 1;
  });
  ASSERT_OK(wal->close());
  EXPECT_OK(open());
  ::close(pipe[1]);
  EXPECT_EQ(exit_status(child), 0);
  ::close(pipe[0]);
}

}  // namespace
}  // namespace nacre
