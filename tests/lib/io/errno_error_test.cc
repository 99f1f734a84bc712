#include "lib/io/errno_error.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>

#include "tests/support/result_matchers.h"

namespace nacre {
namespace {

TEST(ErrnoError, NamesActionPathAndSystemsWords) {
  EXPECT_EQ(error_from_errno(ENOSPC, "write to the file", "a.seg").to_string(),
            "no_space: cannot write to the file: the file system is full; free some space and try "
            "again [a.seg]: No space left on device (errno 28)");
}

TEST(ErrnoError, GivesEachErrnoItsCode) {
  const auto code_of = [](int sys_errno) { return error_from_errno(sys_errno, "x", "p").code(); };
  EXPECT_EQ(code_of(ENOENT), ErrorCode::kNotFound);
  EXPECT_EQ(code_of(ENOTDIR), ErrorCode::kNotFound);
  EXPECT_EQ(code_of(ENOSPC), ErrorCode::kNoSpace);
  EXPECT_EQ(code_of(EDQUOT), ErrorCode::kNoSpace);
  EXPECT_EQ(code_of(EFBIG), ErrorCode::kNoSpace);
  EXPECT_EQ(code_of(EWOULDBLOCK), ErrorCode::kBusy);
  EXPECT_EQ(code_of(EEXIST), ErrorCode::kBusy);
  EXPECT_EQ(code_of(ENOTEMPTY), ErrorCode::kBusy);
  EXPECT_EQ(code_of(EINVAL), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of(ENAMETOOLONG), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of(ELOOP), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of(EOPNOTSUPP), ErrorCode::kUnsupported);
  EXPECT_EQ(code_of(EACCES), ErrorCode::kIo);
  EXPECT_EQ(code_of(EPERM), ErrorCode::kIo);
  EXPECT_EQ(code_of(EROFS), ErrorCode::kIo);
  EXPECT_EQ(code_of(EIO), ErrorCode::kIo);
  EXPECT_EQ(code_of(ESTALE), ErrorCode::kIo);
}

// Both said that the system took the request for a mistake, which nobody can act on.
TEST(ErrnoError, SaysWhatIsWrongWithAPath) {
  EXPECT_THAT(error_from_errno(ENAMETOOLONG, "x", "p").message(), testing::HasSubstr("too long"));
  EXPECT_THAT(error_from_errno(ELOOP, "x", "p").message(), testing::HasSubstr("symbolic links"));
}

TEST(ErrnoError, SaysWhatIsWrongWithARequest) {
  const auto told = [](int sys_errno) { return error_from_errno(sys_errno, "x", "p").message(); };
  EXPECT_THAT(told(EBADF), testing::HasSubstr("`writable`"));
  EXPECT_THAT(told(EFAULT), testing::HasSubstr("buffer"));
  EXPECT_THAT(told(ESPIPE), testing::HasSubstr("pipe"));
  EXPECT_THAT(told(EXDEV), testing::HasSubstr("same one"));
  EXPECT_THAT(told(EISDIR), testing::HasSubstr("directory"));
}

TEST(ErrnoError, RefusedDirectOpenIsUnsupportedAndOtherwiseAMistake) {
  const OpenOptions direct{.direct = true};
  EXPECT_EQ(open_error_from_errno(EINVAL, "p", direct).code(), ErrorCode::kUnsupported);
  EXPECT_EQ(open_error_from_errno(EINVAL, "p", {}).code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(open_error_from_errno(ENOENT, "p", direct).code(), ErrorCode::kNotFound);
}

}  // namespace
}  // namespace nacre
