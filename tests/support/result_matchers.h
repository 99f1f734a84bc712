#pragma once

// Results in GoogleTest: what failed is printed as the Error's own line.
//
//   ASSERT_OK(file->sync());
//   ASSERT_OK_AND_ASSIGN(auto file, file_system.open(path, options));
//   EXPECT_THAT(file_system.stat(path), has_code(ErrorCode::kNotFound));

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ostream>
#include <utility>

#include "nacre/result.h"

namespace nacre {

// GoogleTest finds these by argument lookup when it prints a value.
void PrintTo(ErrorCode code, std::ostream* out);
void PrintTo(const Error& error, std::ostream* out);

template <class T>
void PrintTo(const Result<T>& result, std::ostream* out) {
  if (result.has_value()) {
    *out << "success";
  } else {
    PrintTo(result.error(), out);
  }
}

namespace test {

template <class T>
testing::AssertionResult is_ok(const std::expected<T, Error>& result) {
  if (result.has_value()) return testing::AssertionSuccess();
  return testing::AssertionFailure() << result.error().to_string();
}

/// Matches an Error, or a Result that holds one, by its code.
class HasCode {
 public:
  using is_gtest_matcher = void;

  explicit HasCode(ErrorCode code) : code_(code) {}

  bool MatchAndExplain(const Error& error, std::ostream*) const { return error.code() == code_; }
  template <class T>
  bool MatchAndExplain(const std::expected<T, Error>& result, std::ostream*) const {
    return !result.has_value() && result.error().code() == code_;
  }
  void DescribeTo(std::ostream* out) const { *out << "is the error " << error_code_name(code_); }
  void DescribeNegationTo(std::ostream* out) const {
    *out << "is not the error " << error_code_name(code_);
  }

 private:
  ErrorCode code_;
};

inline HasCode has_code(ErrorCode code) { return HasCode(code); }

}  // namespace test
}  // namespace nacre

#define ASSERT_OK(expression) ASSERT_TRUE(::nacre::test::is_ok((expression)))
#define EXPECT_OK(expression) EXPECT_TRUE(::nacre::test::is_ok((expression)))

#define ASSERT_OK_AND_ASSIGN(declaration, expression) \
  NACRE_TEST_ASSIGN(NACRE_TEST_NAME(nacre_test_result_, __LINE__), declaration, expression)
#define NACRE_TEST_NAME(prefix, line) NACRE_TEST_JOIN(prefix, line)
#define NACRE_TEST_JOIN(prefix, line) prefix##line
#define NACRE_TEST_ASSIGN(result, declaration, expression) \
  auto result = (expression);                              \
  ASSERT_OK(result);                                       \
  declaration = *std::move(result)
