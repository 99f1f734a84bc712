#include "lib/codec/json_writer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <string>

namespace nacre {
namespace {

TEST(JsonWriter, NestsAndSeparates) {
  JsonWriter json;
  json.begin_object().field("a", 1U).field("b", true);
  json.key("c").begin_array().value("x").value("y").begin_object().end_object().end_array();
  json.key("d").begin_array().end_array().field("e", 0.5).end_object();
  EXPECT_EQ(json.text(), R"({"a":1,"b":true,"c":["x","y",{}],"d":[],"e":0.5})");
}

TEST(JsonWriter, EscapesStrings) {
  JsonWriter json;
  json.value(std::string_view("\"\\\n\t\x01/\x7F\0µ", 10));
  EXPECT_EQ(json.text(), "\"\\\"\\\\\\n\\t\\u0001/\x7F\\u0000µ\"");
}

TEST(JsonWriter, ReplacesWhatIsNotUtf8) {
  JsonWriter json;
  json.value("a\xFFz");
  EXPECT_EQ(json.text(), "\"a\\ufffdz\"");
}

TEST(JsonWriter, WritesLargeNumbersInFull) {
  JsonWriter json;
  json.value(UINT64_MAX);
  EXPECT_EQ(json.text(), "18446744073709551615");
}

TEST(JsonWriter, HasNullForNumbersThatJsonLacks) {
  JsonWriter json;
  json.begin_array().value(std::nan("")).value(INFINITY).end_array();
  EXPECT_EQ(json.text(), "[null,null]");
}

}  // namespace
}  // namespace nacre
