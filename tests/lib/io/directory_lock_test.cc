#include "lib/io/directory_lock.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <string>
#include <utility>

#include "tests/support/file_bytes.h"
#include "tests/support/result_matchers.h"
#include "tests/support/temp_directory.h"

namespace nacre {
namespace {

using test::has_code;

class DirectoryLockTest : public testing::Test {
 protected:
  Result<DirectoryLock> acquire() { return DirectoryLock::acquire(files_, directory_.path()); }

  test::TempDirectory directory_;
  PosixFileSystem files_;
};

TEST_F(DirectoryLockTest, TheSecondIsBusyAndToldThePidOfTheFirst) {
  ASSERT_OK_AND_ASSIGN(const DirectoryLock held, acquire());
  const auto second = acquire();
  ASSERT_THAT(second, has_code(ErrorCode::kBusy));
  EXPECT_THAT(second.error().message(), testing::HasSubstr(std::to_string(getpid())));
  EXPECT_EQ(second.error().path(), (directory_.path() / "LOCK").string());
}

TEST_F(DirectoryLockTest, IsFreeAgainWhenItIsLetGo) {
  for (int i = 0; i < 3; ++i) EXPECT_OK(acquire());
  ASSERT_OK_AND_ASSIGN(DirectoryLock held, acquire());
  auto moved = std::make_unique<DirectoryLock>(std::move(held));
  EXPECT_THAT(acquire(), has_code(ErrorCode::kBusy));
  moved.reset();
  EXPECT_OK(acquire());
}

TEST_F(DirectoryLockTest, AProcessThatDiesLetsGo) {
  std::array<int, 2> ready{};
  ASSERT_EQ(pipe(ready.data()), 0);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const auto held = acquire();
    const char done = held ? 'y' : 'n';
    if (write(ready[1], &done, 1) != 1) _exit(1);
    pause();
  }
  char done = 0;
  ASSERT_EQ(read(ready[0], &done, 1), 1);
  EXPECT_EQ(done, 'y');
  const auto busy = acquire();
  ASSERT_THAT(busy, has_code(ErrorCode::kBusy));
  EXPECT_THAT(busy.error().message(), testing::HasSubstr(std::to_string(child)));
  ASSERT_EQ(kill(child, SIGKILL), 0);
  ASSERT_EQ(waitpid(child, nullptr, 0), child);
  EXPECT_OK(acquire());
  for (const int end : ready) close(end);
}

TEST_F(DirectoryLockTest, AFileThatHoldsNoPidNamesNobody) {
  ASSERT_OK_AND_ASSIGN(const DirectoryLock held, acquire());
  test::write_content(directory_.path() / "LOCK", "");
  const auto second = acquire();
  ASSERT_THAT(second, has_code(ErrorCode::kBusy));
  EXPECT_THAT(second.error().message(), testing::HasSubstr("unknown"));
}

TEST_F(DirectoryLockTest, APidOfMoreDigitsLeavesNoneBehind) {
  test::write_content(directory_.path() / "LOCK", "99999999999999\n");
  ASSERT_OK(acquire());
  const std::string content = test::file_content(directory_.path() / "LOCK");
  EXPECT_EQ(content.substr(0, content.find(' ')), std::to_string(getpid()));
  EXPECT_EQ(content.find('9', content.find(' ')), std::string::npos) << content;
}

TEST_F(DirectoryLockTest, NoDirectoryIsNotFound) {
  EXPECT_THAT(DirectoryLock::acquire(files_, directory_.path() / "none"),
              has_code(ErrorCode::kNotFound));
}

}  // namespace
}  // namespace nacre
