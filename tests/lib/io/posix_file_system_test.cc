#include <gtest/gtest.h>
#include <sys/fsuid.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <memory>

#include "nacre/file_system.h"
#include "tests/lib/io/file_system_contract.h"
#include "tests/support/result_matchers.h"
#include "tests/support/temp_directory.h"

namespace nacre {
namespace {

using test::FileSystemCase;
using test::FileSystemContract;
using test::FileSystemHarness;
using test::has_code;
using test::kCreate;
using test::kReadOnly;
using test::kWritable;
using test::TempDirectory;

class OnDisk final : public FileSystemHarness {
 public:
  FileSystem& file_system() override { return file_system_; }
  const std::filesystem::path& directory() const override { return directory_.path(); }

 private:
  PosixFileSystem file_system_;
  TempDirectory directory_;
};

class OnTmpfs final : public FileSystemHarness {
 public:
  FileSystem& file_system() override { return file_system_; }
  const std::filesystem::path& directory() const override { return directory_.path(); }

 private:
  PosixFileSystem file_system_;
  TempDirectory directory_ = TempDirectory::on_tmpfs();
};

INSTANTIATE_TEST_SUITE_P(
    Posix, FileSystemContract,
    testing::Values(FileSystemCase{"Ordinary", [] { return std::make_unique<OnDisk>(); }},
                    FileSystemCase{"Tmpfs", [] { return std::make_unique<OnTmpfs>(); }}),
    [](const auto& one) { return one.param.name; });

/// The rights of somebody who is not root, for this thread only.
class AsNobody {
 public:
  AsNobody() { setfsuid(65534); }
  ~AsNobody() { setfsuid(geteuid()); }
  AsNobody(const AsNobody&) = delete;
  AsNobody& operator=(const AsNobody&) = delete;
};

TEST(PosixFileSystem, ALinkIsAnotherNameOfTheFile) {
  const TempDirectory directory;
  const std::filesystem::path path = directory.path() / "a";
  const std::filesystem::path link = directory.path() / "b";
  std::ofstream(path) << "content";
  PosixFileSystem file_system;
  EXPECT_OK(file_system.link(path, link));
  EXPECT_EQ(std::filesystem::hard_link_count(path), 2U);
  EXPECT_THAT(file_system.link(path, link), has_code(ErrorCode::kBusy));
  EXPECT_THAT(file_system.link(directory.path() / "none", directory.path() / "c"),
              has_code(ErrorCode::kNotFound));
  const TempDirectory elsewhere = TempDirectory::on_tmpfs();
  const Status refused = file_system.link(path, elsewhere.path() / "c");
  ASSERT_THAT(refused, has_code(ErrorCode::kUnsupported));
  EXPECT_EQ(refused.error().sys_errno(), EXDEV);
}

TEST(PosixFileSystem, PermissionDeniedSaysWhatToDo) {
  const TempDirectory directory;
  const std::filesystem::path path = directory.path() / "a";
  std::ofstream(path) << "secret";
  std::filesystem::permissions(path, std::filesystem::perms::none);
  const AsNobody nobody;
  const auto opened = PosixFileSystem().open(path, kReadOnly);
  ASSERT_THAT(opened, has_code(ErrorCode::kIo));
  EXPECT_EQ(opened.error().sys_errno(), EACCES);
  EXPECT_THAT(opened.error().message(), testing::HasSubstr("check owner and mode"));
}

TEST(PosixFileSystem, RunningOutOfDescriptorsSaysWhatToDo) {
  const TempDirectory directory;
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit none{.rlim_cur = 0, .rlim_max = before.rlim_max};
  // Fails once with descriptors to spare: the undefined behaviour sanitizer opens a pipe to look at
  // a type it meets for the first time.
  ASSERT_THAT(PosixFileSystem().open(directory.path() / "none" / "a", kCreate),
              has_code(ErrorCode::kNotFound));
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  const auto opened = PosixFileSystem().open(directory.path() / "a", kCreate);
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  ASSERT_THAT(opened, has_code(ErrorCode::kIo));
  EXPECT_THAT(opened.error().message(), testing::HasSubstr("ulimit -n"));
}

TEST(PosixFileSystem, AFullDeviceIsNoSpace) {
  if (!std::filesystem::exists("/dev/full")) GTEST_SKIP();
  ASSERT_OK_AND_ASSIGN(auto file, PosixFileSystem().open("/dev/full", kWritable));
  const Status written = file->write_at(8, as_bytes("text"));
  ASSERT_THAT(written, has_code(ErrorCode::kNoSpace));
  EXPECT_EQ(written.error().sys_errno(), ENOSPC);
  EXPECT_EQ(written.error().path(), "/dev/full");
  EXPECT_EQ(written.error().offset(), 8U);
}

// procfs is a file system without O_DIRECT on every kernel; tmpfs learned it in Linux 6.6.
TEST(PosixFileSystem, ARefusedDirectFileSaysWhatToAskForInstead) {
  const auto opened = PosixFileSystem().open("/proc/self/status", OpenOptions{.direct = true});
  ASSERT_THAT(opened, has_code(ErrorCode::kUnsupported));
  EXPECT_THAT(opened.error().message(), testing::HasSubstr("emulated"));
}

}  // namespace
}  // namespace nacre
