// The kernel rarely transfers less than it was asked for, so this test stands in for its calls:
// the definitions below take the place of the C library's in this program.

#include "lib/io/posix_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <limits>
#include <memory>
#include <string>

#include "nacre/file_system.h"
#include "tests/support/result_matchers.h"
#include "tests/support/temp_directory.h"

namespace {

/// How the stand-ins below behave; each test sets what it needs.
struct Kernel {
  std::size_t most_bytes = std::numeric_limits<std::size_t>::max();
  bool whole_blocks_only = false;
  int interruptions = 0;
  int fallocate_errno = 0;
  int sync_errno = 0;
  int write_errno_after_calls = -1;
  int calls = 0;
  int syncs = 0;
};

Kernel kernel;

bool interrupted() {
  ++kernel.calls;
  if (kernel.interruptions == 0) return false;
  --kernel.interruptions;
  errno = EINTR;
  return true;
}

/// Some file systems take O_DIRECT requests of 512 bytes; this one is as strict as any.
bool refused(size_t bytes, off_t offset) {
  if (!kernel.whole_blocks_only || (bytes % 4096 == 0 && offset % 4096 == 0)) return false;
  errno = EINVAL;
  return true;
}

}  // namespace

extern "C" {

ssize_t pread(int descriptor, void* buffer, size_t bytes, off_t offset) {
  if (interrupted() || refused(bytes, offset)) return -1;
  return syscall(SYS_pread64, descriptor, buffer, std::min(bytes, kernel.most_bytes), offset);
}

ssize_t pwrite(int descriptor, const void* buffer, size_t bytes, off_t offset) {
  if (interrupted() || refused(bytes, offset)) return -1;
  if (kernel.write_errno_after_calls >= 0 && kernel.calls > kernel.write_errno_after_calls) {
    errno = ENOSPC;
    return -1;
  }
  return syscall(SYS_pwrite64, descriptor, buffer, std::min(bytes, kernel.most_bytes), offset);
}

int fallocate(int descriptor, int mode, off_t offset, off_t bytes) {
  if (interrupted()) return -1;
  if (kernel.fallocate_errno != 0) {
    errno = kernel.fallocate_errno;
    return -1;
  }
  return static_cast<int>(syscall(SYS_fallocate, descriptor, mode, offset, bytes));
}

int fdatasync(int) {
  ++kernel.syncs;
  errno = kernel.sync_errno;
  return kernel.sync_errno == 0 ? 0 : -1;
}

int fsync(int descriptor) { return fdatasync(descriptor); }

}  // extern "C"

namespace nacre {
namespace {

using test::has_code;

class PosixFileOverOddKernel : public testing::Test {
 protected:
  PosixFileOverOddKernel() { kernel = Kernel{}; }
  ~PosixFileOverOddKernel() override { kernel = Kernel{}; }

  std::unique_ptr<File> open() {
    const OpenOptions options{.writable = true, .create = true};
    return PosixFileSystem().open(directory_.path() / "a", options).value();
  }
  Result<std::unique_ptr<File>> open_direct() {
    const OpenOptions options{.writable = true, .create = true, .direct = true};
    return PosixFileSystem().open(directory_.path() / "a", options);
  }

  static std::string read(File& file, std::uint64_t offset, std::size_t bytes) {
    std::string text(bytes, '?');
    const auto got = file.read_at(offset, std::as_writable_bytes(std::span(text)));
    EXPECT_OK(got);
    text.resize(got.value_or(0));
    return text;
  }

  test::TempDirectory directory_;
};

TEST_F(PosixFileOverOddKernel, ContinuesShortTransfers) {
  const auto file = open();
  kernel.most_bytes = 3;
  ASSERT_OK(file->write_at(5, as_bytes("0123456789")));
  EXPECT_EQ(kernel.calls, 4);
  EXPECT_EQ(read(*file, 5, 10), "0123456789");
  EXPECT_EQ(read(*file, 5, 100), "0123456789");
}

TEST_F(PosixFileOverOddKernel, RepeatsWhatASignalInterrupted) {
  const auto file = open();
  kernel.interruptions = 2;
  ASSERT_OK(file->write_at(0, as_bytes("text")));
  kernel.interruptions = 2;
  EXPECT_EQ(read(*file, 0, 4), "text");
  kernel.interruptions = 2;
  ASSERT_OK(file->preallocate(0, 4096));
  EXPECT_EQ(kernel.interruptions, 0);
  EXPECT_EQ(file->size().value(), 4096U);
}

// The caller learns where the file ended, and what was written before stays.
TEST_F(PosixFileOverOddKernel, ADeviceThatFillsUpInTheMiddleNamesThePlace) {
  const auto file = open();
  kernel.most_bytes = 4;
  kernel.write_errno_after_calls = 2;
  const Status written = file->write_at(100, as_bytes("0123456789"));
  ASSERT_THAT(written, has_code(ErrorCode::kNoSpace));
  EXPECT_EQ(written.error().offset(), 108U);
  EXPECT_EQ(written.error().sys_errno(), ENOSPC);
  EXPECT_EQ(read(*file, 100, 10), "01234567");
}

TEST_F(PosixFileOverOddKernel, AWriteThatMakesNoProgressIsAnError) {
  const auto file = open();
  kernel.most_bytes = 0;
  EXPECT_THAT(file->write_at(0, as_bytes("text")), has_code(ErrorCode::kIo));
}

struct alignas(4096) Blocks {
  std::array<char, 3 * 4096> text;
};

TEST_F(PosixFileOverOddKernel, ShortDirectWritesGoOnFromAWholeBlock) {
  const auto blocks = std::make_unique<Blocks>();
  for (std::size_t i = 0; i < blocks->text.size(); ++i) {
    blocks->text[i] = static_cast<char>('a' + i / 512 % 26);
  }
  const auto opened = open_direct();
  if (!opened) GTEST_SKIP() << opened.error().to_string();
  kernel.whole_blocks_only = true;
  kernel.most_bytes = 4096 + 512;
  ASSERT_OK((*opened)->write_at(0, std::as_bytes(std::span(blocks->text))));
  kernel = Kernel{};
  EXPECT_EQ(read(*open(), 0, 4 * 4096), std::string(blocks->text.begin(), blocks->text.end()));
}

TEST_F(PosixFileOverOddKernel, ADirectReadStopsAtAnEndWithinABlock) {
  ASSERT_OK(open()->write_at(0, as_bytes(std::string(4096 + 100, 'x'))));
  const auto opened = open_direct();
  if (!opened) GTEST_SKIP() << opened.error().to_string();
  kernel.whole_blocks_only = true;
  const auto blocks = std::make_unique<Blocks>();
  const auto got = (*opened)->read_at(0, std::as_writable_bytes(std::span(blocks->text)));
  ASSERT_OK(got);
  EXPECT_EQ(*got, 4096U + 100U);
}

TEST_F(PosixFileOverOddKernel, WritesZerosWhereSpaceCannotBeReserved) {
  const auto file = open();
  ASSERT_OK(file->write_at(0, as_bytes("head")));
  kernel.fallocate_errno = EOPNOTSUPP;
  ASSERT_OK(file->preallocate(0, 200000));
  EXPECT_EQ(read(*file, 0, 300000), "head" + std::string(200000 - 4, '\0'));
}

TEST_F(PosixFileOverOddKernel, FailingToReserveSpaceIsNoSpace) {
  const auto file = open();
  kernel.fallocate_errno = ENOSPC;
  const Status reserved = file->preallocate(4096, 8192);
  ASSERT_THAT(reserved, has_code(ErrorCode::kNoSpace));
  EXPECT_EQ(reserved.error().offset(), 4096U);
}

// A second fsync after a failed one succeeds without the data; trying it would hide the loss.
TEST_F(PosixFileOverOddKernel, AFailedSyncIsReportedAndNeverTriedAgain) {
  const auto file = open();
  for (const int sys_errno : {EIO, EINTR, ENOSPC}) {
    kernel.sync_errno = sys_errno;
    kernel.syncs = 0;
    const Status synced = file->sync_data();
    ASSERT_FALSE(synced.has_value());
    EXPECT_EQ(synced.error().sys_errno(), sys_errno);
    EXPECT_EQ(synced.error().path(), file->path().string());
    EXPECT_FALSE(file->sync().has_value());
    EXPECT_FALSE(PosixFileSystem().sync_directory(directory_.path()).has_value());
    EXPECT_EQ(kernel.syncs, 3);
  }
}

TEST_F(PosixFileOverOddKernel, ADirectoryThatCannotBeMadeDurableIsUnsupported) {
  kernel.sync_errno = EINVAL;
  EXPECT_THAT(PosixFileSystem().sync_directory(directory_.path()),
              has_code(ErrorCode::kUnsupported));
}

}  // namespace
}  // namespace nacre
