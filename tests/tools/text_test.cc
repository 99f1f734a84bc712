#include "tools/text.h"

#include <gtest/gtest.h>

#include <string>

namespace nacre::tools {
namespace {

// The examples of RFC 4648, section 10.
TEST(Text, EncodesBase64) {
  EXPECT_EQ(base64(as_bytes("")), "");
  EXPECT_EQ(base64(as_bytes("f")), "Zg==");
  EXPECT_EQ(base64(as_bytes("fo")), "Zm8=");
  EXPECT_EQ(base64(as_bytes("foo")), "Zm9v");
  EXPECT_EQ(base64(as_bytes("foobar")), "Zm9vYmFy");
  EXPECT_EQ(base64(as_bytes("\xFF\xFE\xFD")), "//79");
}

TEST(Text, DecodesWhatItEncodesAndNothingElse) {
  for (const std::string text : {"", "f", "fo", "foo", "foobar", "\xFF\xFE\xFD"}) {
    EXPECT_EQ(from_base64(base64(as_bytes(text))), text);
    EXPECT_EQ(from_hex(hex(as_bytes(text))), text);
  }
  EXPECT_EQ(hex(as_bytes("\x01\xAB")), "01ab");
  EXPECT_EQ(from_hex("01aB"), "\x01\xAB");
  for (const char* text :
       {"Z", "Zg", "Zg=", "Zg===", "=", "====", "Zg=g", "Zh==", "Zm9=", "Zm9*"}) {
    EXPECT_EQ(from_base64(text), std::nullopt) << text;
  }
  for (const char* text : {"0", "0g", "g0", " 1", "0x1"}) EXPECT_EQ(from_hex(text), std::nullopt);
}

TEST(Text, GroupsDigits) {
  EXPECT_EQ(format_count(0), "0");
  EXPECT_EQ(format_count(999), "999");
  EXPECT_EQ(format_count(1000), "1,000");
  EXPECT_EQ(format_count(1234567), "1,234,567");
}

TEST(Text, ChoosesTheUnitOfBytes) {
  EXPECT_EQ(format_bytes(0), "0 B");
  EXPECT_EQ(format_bytes(1023), "1023 B");
  EXPECT_EQ(format_bytes(1024), "1.0 KiB");
  EXPECT_EQ(format_bytes((1 << 20) - 1), "1.0 MiB");
  EXPECT_EQ(format_bytes(std::uint64_t{3} << 30), "3.0 GiB");
}

TEST(Text, ChoosesTheUnitOfTime) {
  EXPECT_EQ(format_duration(0), "0 ns");
  EXPECT_EQ(format_duration(999), "999 ns");
  EXPECT_EQ(format_duration(1500), "1.5 µs");
  EXPECT_EQ(format_duration(999'960), "1.0 ms");
  EXPECT_EQ(format_duration(1'240'000'000), "1.24 s");
  EXPECT_EQ(format_duration(125'000'000'000), "2 min 05 s");
}

TEST(Text, GivesRates) {
  EXPECT_EQ(format_rate(500, 250'000'000), "2,000/s");
  EXPECT_EQ(format_rate(500, 0), "-");
  EXPECT_EQ(format_byte_rate(std::uint64_t{1} << 20, 500'000'000), "2.0 MiB/s");
}

TEST(Text, WritesTimesInUtc) {
  EXPECT_EQ(format_time(0), "1970-01-01T00:00:00.000000Z");
  EXPECT_EQ(format_time(1'700'000'000'123'456'789), "2023-11-14T22:13:20.123456Z");
}

TEST(Text, ShowsBytesOnOneLine) {
  EXPECT_EQ(printable(as_bytes("a\n\x7F\xFFµ"), 10), "a...µ");
  EXPECT_EQ(printable(as_bytes("12345"), 5), "12345");
  EXPECT_EQ(printable(as_bytes("123456"), 5), "1234…");
  EXPECT_EQ(printable(as_bytes("123456"), 1), "…");
  EXPECT_EQ(printable(as_bytes(""), 5), "");
}

TEST(Text, CountsColumnsNotBytes) {
  EXPECT_EQ(display_width("1.5 µs"), 6U);
  EXPECT_EQ(display_width(""), 0U);
}

TEST(Text, PutsNounsIntoThePlural) {
  EXPECT_EQ(plural(1, "record"), "record");
  EXPECT_EQ(plural(0, "record"), "records");
}

}  // namespace
}  // namespace nacre::tools
