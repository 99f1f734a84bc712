#include "tools/json_members.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace nacre::tools {
namespace {

std::string text_of(const std::string& value) {
  const auto members = parse_json_members("{\"v\":" + value + "}");
  return members ? members->at("v").text : "refused: " + members.error();
}

std::string refusal(const std::string& text) {
  const auto members = parse_json_members(text);
  return members ? "taken" : members.error();
}

TEST(JsonMembers, StringsAreWhatTheyStandFor) {
  EXPECT_EQ(text_of(R"("")"), "");
  EXPECT_EQ(text_of(R"("\"\\\/\b\f\n\r\t")"), "\"\\/\b\f\n\r\t");
  EXPECT_EQ(text_of(R"("\u0041\u00e9\u20AC\ud83d\ude00")"), "A\u00e9\u20ac\U0001f600");
  EXPECT_EQ(text_of("\"\u00e9\""), "\u00e9");
  EXPECT_EQ(text_of(R"("\u0000")"), std::string(1, '\0'));
}

TEST(JsonMembers, EverythingElseIsItsText) {
  for (const char* value : {"0", "-1", "1.5e+3", "true", "false", "null", "[]", "{}", "[ 1, [2] ]",
                            R"({"a": "}]", "b": [{"c": "\""}]})"}) {
    EXPECT_EQ(text_of(value), value);
    EXPECT_FALSE(parse_json_members(R"({"v": )" + std::string(value) + "}")->at("v").is_string);
  }
}

TEST(JsonMembers, SpaceIsNoMatterAndTheLastOfANameCounts) {
  const auto members = parse_json_members("\t{ \"a\" : \"1\" , \"b\":2,\"a\" :\"3\" } \r");
  ASSERT_TRUE(members.has_value());
  EXPECT_EQ(members->size(), 2U);
  EXPECT_EQ(members->at("a").text, "3");
  EXPECT_TRUE(parse_json_members("{}")->empty());
}

TEST(JsonMembers, SaysWhatIsWrongAndWhere) {
  EXPECT_EQ(refusal(""), "an object must begin with '{' at column 1");
  EXPECT_EQ(refusal("[1]"), "an object must begin with '{' at column 1");
  EXPECT_EQ(refusal(R"({"a" 1})"), "a ':' is missing at column 6");
  EXPECT_EQ(refusal(R"({"a":1 "b":2})"), "a ',' or '}' is missing at column 8");
  EXPECT_EQ(refusal(R"({"a":1} x)"), "there is more behind the object at column 9");
  EXPECT_EQ(refusal(R"({"a":"b)"), "a string does not end at column 8");
  EXPECT_EQ(refusal("\xFF"), "it is not UTF-8");
}

TEST(JsonMembers, RefusesWhatIsNoJson) {
  for (const char* value : {"",        "tru",       "nan",         "inf",          "-inf",
                            "-",       "+1",        "0x1",         "'a'",          "[1",
                            "[1,]",    "[1 2]",     "{",           "{1:2}",        R"({"a":1,})",
                            R"("\x")", R"("\u12")", R"("\ud83d")", R"("\ud83dx")", R"("\ude00")",
                            "\"\n\"",  R"("\)"}) {
    EXPECT_THAT(text_of(value), testing::StartsWith("refused: ")) << value;
  }
}

TEST(JsonMembers, DepthIsBounded) {
  const std::string deep = std::string(100, '[') + std::string(100, ']');
  EXPECT_EQ(text_of(deep), deep);
  const std::string too_deep = std::string(1'000'000, '[');
  EXPECT_THAT(text_of(too_deep), testing::StartsWith("refused: too many"));
}

}  // namespace
}  // namespace nacre::tools
