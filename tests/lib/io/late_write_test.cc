// What a process has given the kernel to write may land after the process was killed. The next
// writer must not be let in before it has.

#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <memory>
#include <vector>

#include <sys/wait.h>

#include "lib/io/directory_lock.h"
#include "lib/io/uring_backend.h"
#include "tests/support/aligned_bytes.h"
#include "tests/support/result_matchers.h"
#include "tests/support/temp_directory.h"

namespace nacre {
namespace {

constexpr std::size_t kWrites = 64;
constexpr std::size_t kWriteBytes = std::size_t{1} << 20;
constexpr std::size_t kBlock = 4096;

class LateWriteTest : public testing::Test {
 protected:
  std::unique_ptr<File> open_data() {
    return files_
        .open(directory_.path() / "data",
              {.writable = true, .create = true, .direct = true, .data_sync = true})
        .value();
  }

  /// Takes the lock, has many writes under way, says so, and waits to be killed.
  [[noreturn]] void write_until_killed(int ready) {
    const auto lock = DirectoryLock::acquire(files_, directory_.path()).value();
    const auto backend = UringBackend::make(files_, {}, "the test says so").value();
    const IoFile held(*backend, lock.file());
    if (!backend->holds(held)) _exit(1);
    const auto file = open_data();
    const IoFile known(*backend, *file);
    const test::AlignedBytes source(kWriteBytes, 1);
    std::vector<IoOperation> operations(kWrites);
    std::vector<IoOperation*> heads;
    for (std::size_t i = 0; i < kWrites; ++i) {
      IoRequest& request = operations[i].request;
      request.kind = IoKind::kWrite;
      request.file = &known;
      request.offset = i * kWriteBytes;
      request.buffers.push_back(IoBuffer::borrow(source.span()));
      heads.push_back(&operations[i]);
    }
    backend->submit(heads, /*reap_follows=*/false);
    const char word = 'r';
    if (::write(ready, &word, 1) != 1) _exit(1);
    for (;;) ::pause();
  }

  /// The last block of each write.
  std::vector<std::string> ends(File& file) {
    std::vector<std::string> all;
    const test::AlignedBytes into(kBlock);
    for (std::size_t i = kWrites; i > 0; --i) {
      EXPECT_OK(file.read_at(i * kWriteBytes - kBlock, into.span()));
      all.push_back(into.text());
    }
    return all;
  }

  PosixFileSystem files_;
  test::TempDirectory directory_;
};

// Without the LOCK file among those the ring keeps, the first look found old blocks that a later
// one found new, in three rounds of three: a log that went on there would have been overwritten.
TEST_F(LateWriteTest, TheLockOutlivesTheWritesOfAKilledWriter) {
  if (!UringBackend::make(files_, {}, "the test says so")) GTEST_SKIP() << "no io_uring here";
  const auto file = open_data();
  for (int round = 0; round < 5; ++round) {
    ASSERT_OK(file->resize(0));
    ASSERT_OK(file->preallocate(0, kWrites * kWriteBytes));
    int ready[2];
    ASSERT_EQ(::pipe(ready), 0);
    const pid_t child = ::fork();
    if (child == 0) write_until_killed(ready[1]);
    ::close(ready[1]);
    char word = 0;
    ASSERT_EQ(::read(ready[0], &word, 1), 1) << "the child could not have its lock held";
    ::close(ready[0]);
    ASSERT_EQ(::kill(child, SIGKILL), 0);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_OK(DirectoryLock::acquire(files_, directory_.path()));
    const auto first = ends(*file);
    for (int look = 0; look < 20; ++look) ASSERT_TRUE(ends(*file) == first) << "a write came late";
  }
}

}  // namespace
}  // namespace nacre
