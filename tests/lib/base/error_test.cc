#include "nacre/error.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <string>

#include "lib/base/try.h"
#include "nacre/result.h"
#include "tests/support/result_matchers.h"

namespace nacre {
namespace {

using test::has_code;

TEST(Error, SaysCodeMessageAndPlaceInOneLine) {
  const Error error = Error(ErrorCode::kCorruption, "checksum does not match; run \"nacre verify\"")
                          .with_path("segments/01.seg")
                          .with_offset(8192)
                          .with_lsn(17);
  EXPECT_EQ(error.to_string(),
            "corruption: checksum does not match; run \"nacre verify\" "
            "[segments/01.seg at offset 8192, LSN 17]");
}

TEST(Error, EndsWithTheSystemsOwnWords) {
  const Error error =
      Error(ErrorCode::kNoSpace, "cannot write").with_errno(ENOSPC).with_path("a.seg");
  EXPECT_EQ(error.to_string(),
            "no_space: cannot write [a.seg]: No space left on device (errno 28)");
}

TEST(Error, LeavesOutWhatItDoesNotKnow) {
  EXPECT_EQ(Error(ErrorCode::kBusy, "taken").to_string(), "busy: taken");
  EXPECT_EQ(Error(ErrorCode::kIo, "bad").with_offset(5).to_string(), "io: bad [at offset 5]");
  EXPECT_EQ(Error(ErrorCode::kIo, "bad").with_lsn(0).to_string(), "io: bad [LSN 0]");
}

TEST(Error, SurvivesAnErrnoNobodyKnows) {
  const std::string line = Error(ErrorCode::kIo, "odd").with_errno(99999).to_string();
  EXPECT_NE(line.find("(errno 99999)"), std::string::npos) << line;
}

TEST(Error, ReadsBackWhatItWasBuiltFrom) {
  const Error error =
      Error(ErrorCode::kIo, "m").with_errno(EIO).with_path("p").with_offset(1).with_lsn(2);
  EXPECT_EQ(error.code(), ErrorCode::kIo);
  EXPECT_EQ(error.sys_errno(), EIO);
  EXPECT_EQ(error.path(), "p");
  EXPECT_EQ(error.offset(), 1U);
  EXPECT_EQ(error.lsn(), 2U);
  EXPECT_EQ(error.message(), "m");
}

// A poisoned object hands out its first error for ever; a caller that adds where it met the error
// must not change what the next caller sees.
TEST(Error, ABuilderLeavesCopiesAlone) {
  const Error first = Error(ErrorCode::kIo, "sync failed").with_path("a");
  Error copy = first;
  const Error located = std::move(copy).with_path("b").with_errno(EIO).with_offset(9).with_lsn(8);
  EXPECT_EQ(first.to_string(), "io: sync failed [a]");
  EXPECT_EQ(located.path(), "b");
}

TEST(Error, EveryCodeHasItsOwnName) {
  EXPECT_EQ(error_code_name(ErrorCode::kNotFound), "not_found");
  EXPECT_EQ(error_code_name(ErrorCode::kCorruption), "corruption");
  EXPECT_EQ(error_code_name(ErrorCode::kIo), "io");
  EXPECT_EQ(error_code_name(ErrorCode::kInvalidArgument), "invalid_argument");
  EXPECT_EQ(error_code_name(ErrorCode::kNoSpace), "no_space");
  EXPECT_EQ(error_code_name(ErrorCode::kBusy), "busy");
  EXPECT_EQ(error_code_name(ErrorCode::kClosed), "closed");
  EXPECT_EQ(error_code_name(ErrorCode::kUnsupported), "unsupported");
  EXPECT_EQ(error_code_name(ErrorCode::kCancelled), "cancelled");
  EXPECT_EQ(error_code_name(ErrorCode::kTimedOut), "timed_out");
}

Result<int> half_of(int number) {
  if (number % 2 != 0) return Error(ErrorCode::kInvalidArgument, "odd");
  return number / 2;
}

Result<int> quarter_of(int number) {
  const int half = NACRE_TRY(half_of(number));
  return NACRE_TRY(half_of(half));
}

Status check_even(int number) {
  static_cast<void>(NACRE_TRY(half_of(number)));
  return {};
}

TEST(Result, TryUnwrapsAValueAndReturnsAnError) {
  EXPECT_EQ(quarter_of(8).value(), 2);
  EXPECT_THAT(quarter_of(6), has_code(ErrorCode::kInvalidArgument));
  EXPECT_OK(check_even(2));
  EXPECT_THAT(check_even(3), has_code(ErrorCode::kInvalidArgument));
}

}  // namespace
}  // namespace nacre
