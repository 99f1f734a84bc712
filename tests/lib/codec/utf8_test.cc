#include "lib/codec/utf8.h"

#include <gtest/gtest.h>

namespace nacre {
namespace {

TEST(Utf8, KnowsItself) {
  EXPECT_TRUE(is_utf8(""));
  EXPECT_TRUE(is_utf8("plain"));
  EXPECT_TRUE(is_utf8("µ€\U0001F600"));
  EXPECT_TRUE(is_utf8(std::string_view("\0", 1)));
}

TEST(Utf8, RefusesWhatOnlyLooksLikeIt) {
  EXPECT_FALSE(is_utf8("\x80"));              // A continuation alone.
  EXPECT_FALSE(is_utf8("\xC3"));              // Cut short.
  EXPECT_FALSE(is_utf8("\xC0\x80"));          // Overlong.
  EXPECT_FALSE(is_utf8("\xE0\x80\x80"));      // Overlong.
  EXPECT_FALSE(is_utf8("\xED\xA0\x80"));      // A surrogate.
  EXPECT_FALSE(is_utf8("\xF4\x90\x80\x80"));  // Past U+10FFFF.
  EXPECT_FALSE(is_utf8("\xFF"));
}

}  // namespace
}  // namespace nacre
