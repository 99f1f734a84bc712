#include "tools/pair_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "nacre/store.h"
#include "tests/support/result_matchers.h"
#include "tests/tools/memory_source.h"

namespace nacre::tools {
namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

PairReaderOptions options(PairFormat format) {
  return {.format = format, .max_pair_bytes = kMaxKeyBytes + kMaxValueBytes};
}

Result<Pairs> read_all(const std::string& input, const PairReaderOptions& how) {
  PairReader reader(test::text_source(input, input.size() < 1000 ? 7 : 65536), how);
  Pairs pairs;
  while (true) {
    const auto more = reader.next();
    if (!more) return more.error();
    if (!*more) return pairs;
    pairs.emplace_back(as_text(reader.key()), as_text(reader.value()));
  }
}

Pairs read(const std::string& input, const PairReaderOptions& how) {
  const auto pairs = read_all(input, how);
  EXPECT_TRUE(test::is_ok(pairs));
  return pairs ? *pairs : Pairs();
}

void expect_refused(const std::string& input, const PairReaderOptions& how,
                    const std::string& words, std::uint64_t offset) {
  const auto pairs = read_all(input, how);
  ASSERT_THAT(pairs, test::has_code(ErrorCode::kInvalidArgument));
  EXPECT_THAT(pairs.error().message(), testing::HasSubstr(words));
  EXPECT_EQ(pairs.error().offset(), offset);
}

TEST(PairReader, TheFirstTabEndsTheKey) {
  EXPECT_EQ(read("k\tv\n\tof nothing\nx\t\ny\ta\tb\r", options(PairFormat::kTsv)),
            (Pairs{{"k", "v"}, {"", "of nothing"}, {"x", ""}, {"y", "a\tb\r"}}));
  expect_refused("k\tv\nno tab\n", options(PairFormat::kTsv), "record 2", 4);
}

TEST(PairReader, HexadecimalIsDecoded) {
  PairReaderOptions how = options(PairFormat::kTsv);
  how.hex = true;
  EXPECT_EQ(read("6b\t7600\n", how), (Pairs{{"k", std::string("v\0", 2)}}));
  expect_refused("6b\t7\n", how, "its value is not hexadecimal", 0);
  expect_refused("x\t\n", how, "its key is not hexadecimal", 0);
  how.format = PairFormat::kLines;
  EXPECT_EQ(read("76\n", how), (Pairs{{"0000000000000000", "v"}}));
  expect_refused("76\nx\n", how, "it is not hexadecimal", 3);
}

TEST(PairReader, LinesAreNumbered) {
  PairReaderOptions how = options(PairFormat::kLines);
  how.first_line = 9;
  EXPECT_EQ(read("a\n\nb\tc\n", how),
            (Pairs{{"0000000000000009", "a"}, {"0000000000000010", "b\tc"}}));
}

TEST(PairReader, MembersOfJson) {
  const PairReaderOptions how = options(PairFormat::kJson);
  EXPECT_EQ(read(R"({"key":"k","value":"v"})"
                 "\n"
                 R"({"value":[1],"key":""})"
                 "\n",
                 how),
            (Pairs{{"k", "v"}, {"", "[1]"}}));
  EXPECT_EQ(read(R"({"key_base64":"/w==","value_base64":"/g=="})", how), (Pairs{{"\xFF", "\xFE"}}));
  expect_refused(R"({"key":1,"value":2})", how, "its key is not a string", 0);
  expect_refused(R"({"key":"k"})", how, "no member \"value\"", 0);
  expect_refused(R"({"value":"k"})", how, "no member \"key\"", 0);
  expect_refused(R"({"key_base64":"x","value":""})", how, "key_base64 is not base64", 0);
  expect_refused("{", how, "column 2", 0);
}

TEST(PairReader, SizesAreChecked) {
  const std::string longest(kMaxKeyBytes, 'k');
  EXPECT_EQ(read(longest + "\tv", options(PairFormat::kTsv)), (Pairs{{longest, "v"}}));
  expect_refused(longest + "k\tv", options(PairFormat::kTsv), "its key has 65537 bytes", 0);
  expect_refused("k\t" + std::string(kMaxValueBytes + 1, 'v'), options(PairFormat::kTsv),
                 "its value has 16777217 bytes", 0);
  PairReaderOptions small = options(PairFormat::kTsv);
  small.max_pair_bytes = 4;
  EXPECT_EQ(read("k\tvvv", small), (Pairs{{"k", "vvv"}}));
  expect_refused("k\tvvvv", small, "the segments of this store hold at most 4", 0);
}

}  // namespace
}  // namespace nacre::tools
