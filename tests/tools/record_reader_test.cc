#include "tools/record_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "lib/base/endian.h"
#include "tests/support/result_matchers.h"
#include "tests/tools/memory_source.h"

namespace nacre::tools {
namespace {

using test::has_code;
using test::text_source;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::size_t kLimit = 16;

struct Outcome {
  std::vector<std::string> records;
  std::string error;
  std::uint64_t skipped_empty = 0;
};

RecordReader make_reader(RecordFormat format, const std::string& input, std::size_t chunk_bytes) {
  return RecordReader(text_source(input, chunk_bytes),
                      {.format = format, .max_record_bytes = kLimit, .input_name = "in.txt"});
}

Outcome read_all(RecordFormat format, const std::string& input, std::size_t chunk_bytes) {
  RecordReader reader = make_reader(format, input, chunk_bytes);
  Outcome outcome;
  while (true) {
    const Result<bool> found = reader.next();
    if (!found) outcome.error = found.error().to_string();
    if (!found || !*found) break;
    outcome.records.emplace_back(as_text(reader.record()));
  }
  outcome.skipped_empty = reader.skipped_empty();
  return outcome;
}

std::string length_prefixed(std::initializer_list<std::string> records) {
  std::string text;
  for (const std::string& record : records) {
    const le32 length = static_cast<std::uint32_t>(record.size());
    text.append(reinterpret_cast<const char*>(&length), sizeof(length));
    text += record;
  }
  return text;
}

// How the input arrives must never matter: each case is read whole and byte by byte.
class RecordReaderChunks : public testing::TestWithParam<std::size_t> {
 protected:
  Outcome lines(const std::string& input) {
    return read_all(RecordFormat::kLines, input, GetParam());
  }
  Outcome stanzas(const std::string& input) {
    return read_all(RecordFormat::kStanzas, input, GetParam());
  }
  Outcome blobs(const std::string& input) {
    return read_all(RecordFormat::kLengthPrefixed, input, GetParam());
  }
};
INSTANTIATE_TEST_SUITE_P(AnyReadSize, RecordReaderChunks, testing::Values(1, 3, 1 << 20));

TEST_P(RecordReaderChunks, CutsLines) {
  EXPECT_THAT(lines("one\ntwo\n").records, ElementsAre("one", "two"));
}

TEST_P(RecordReaderChunks, TakesALastLineWithoutItsEnd) {
  EXPECT_THAT(lines("one\ntwo").records, ElementsAre("one", "two"));
}

TEST_P(RecordReaderChunks, KeepsCarriageReturnsAndZeros) {
  const std::string input("a\r\n\0b\n", 6);
  EXPECT_THAT(lines(input).records, ElementsAre("a\r", std::string("\0b", 2)));
}

TEST_P(RecordReaderChunks, SkipsAndCountsEmptyLines) {
  const Outcome outcome = lines("\n\none\n\n\ntwo\n\n");
  EXPECT_THAT(outcome.records, ElementsAre("one", "two"));
  EXPECT_EQ(outcome.skipped_empty, 5U);
}

TEST_P(RecordReaderChunks, FindsNothingInAnEmptyInput) {
  for (const Outcome& outcome : {lines(""), stanzas(""), blobs(""), stanzas("\n \n\t\r\n  ")}) {
    EXPECT_THAT(outcome.records, IsEmpty());
    EXPECT_EQ(outcome.error, "");
  }
}

TEST_P(RecordReaderChunks, LetsALineOfTheLimitThrough) {
  const std::string line(kLimit, 'x');
  EXPECT_THAT(lines(line + "\n" + line).records, ElementsAre(line, line));
}

TEST_P(RecordReaderChunks, RefusesALineOverTheLimitAndSaysWhichAndWhere) {
  const Outcome outcome = lines("one\n" + std::string(kLimit + 1, 'x') + "\nthree\n");
  EXPECT_THAT(outcome.records, ElementsAre("one"));
  EXPECT_THAT(outcome.error, HasSubstr("record 2 of the input"));
  EXPECT_THAT(outcome.error, HasSubstr("longer than 16 bytes"));
  EXPECT_THAT(outcome.error, HasSubstr("in.txt at offset 4"));
}

TEST_P(RecordReaderChunks, RefusesALineWithoutEndBeforeItFillsTheMemory) {
  EXPECT_THAT(lines(std::string(1 << 16, 'x')).error, HasSubstr("longer than 16 bytes"));
}

TEST_P(RecordReaderChunks, CutsStanzas) {
  EXPECT_THAT(stanzas("\n\nA: 1\nB: 2\n\n\nA: 3\n").records, ElementsAre("A: 1\nB: 2", "A: 3"));
}

TEST_P(RecordReaderChunks, TakesALastStanzaWithoutItsEnd) {
  EXPECT_THAT(stanzas("A: 1\n\nA: 2").records, ElementsAre("A: 1", "A: 2"));
}

TEST_P(RecordReaderChunks, EndsAStanzaAtALineOfWhiteSpace) {
  EXPECT_THAT(stanzas("A: 1\n \t\r\nA: 2\n .\n x\n").records, ElementsAre("A: 1", "A: 2\n .\n x"));
}

TEST_P(RecordReaderChunks, LetsAStanzaOfTheLimitThrough) {
  const std::string stanza = "A: 1\n" + std::string(kLimit - 5, 'x');
  EXPECT_THAT(stanzas(stanza + "\n   \n" + stanza).records, ElementsAre(stanza, stanza));
}

TEST_P(RecordReaderChunks, RefusesAStanzaOverTheLimit) {
  const Outcome outcome = stanzas("A: 1\n\nB: 1\nB: 2\nB: 3\nB: 4\n\n");
  EXPECT_THAT(outcome.records, ElementsAre("A: 1"));
  EXPECT_THAT(outcome.error, HasSubstr("record 2 of the input"));
  EXPECT_THAT(outcome.error, HasSubstr("at offset 6"));
}

TEST_P(RecordReaderChunks, RefusesBlanksWithoutEnd) {
  EXPECT_THAT(stanzas("A: 1\n" + std::string(1 << 16, ' ') + "\n").error,
              HasSubstr("longer than 16 bytes"));
}

TEST_P(RecordReaderChunks, CutsLengthPrefixedRecords) {
  EXPECT_THAT(blobs(length_prefixed({"one", "two\n", std::string(kLimit, 'x')})).records,
              ElementsAre("one", "two\n", std::string(kLimit, 'x')));
}

TEST_P(RecordReaderChunks, SaysWhereALengthIsCutShort) {
  const Outcome outcome = blobs(length_prefixed({"one"}) + "\x05");
  EXPECT_THAT(outcome.records, ElementsAre("one"));
  EXPECT_THAT(outcome.error, HasSubstr("record 2 of the input: the input ends after 1 of the 4"));
  EXPECT_THAT(outcome.error, HasSubstr("at offset 7"));
}

TEST_P(RecordReaderChunks, SaysWhereARecordIsCutShort) {
  const std::string input = length_prefixed({"one", "four"});
  const Outcome outcome = blobs(input.substr(0, input.size() - 1));
  EXPECT_THAT(outcome.error, HasSubstr("it ends after 3 of 4 bytes"));
  EXPECT_THAT(outcome.error, HasSubstr("at offset 7"));
}

TEST_P(RecordReaderChunks, RefusesALengthOfZero) {
  EXPECT_THAT(blobs(length_prefixed({"one", ""})).error, HasSubstr("its length is 0"));
}

TEST_P(RecordReaderChunks, RefusesALengthOverTheLimit) {
  const Outcome outcome = blobs("text, not lengths");
  EXPECT_THAT(outcome.error, HasSubstr("over the limit of 16"));
  EXPECT_THAT(outcome.error, HasSubstr("at offset 0"));
}

TEST(RecordReader, TellsHowFarItIs) {
  RecordReader reader = make_reader(RecordFormat::kLines, "one\n\nthree\n", 4);
  ASSERT_OK(reader.next());
  EXPECT_EQ(reader.consumed_bytes(), 4U);
  ASSERT_OK(reader.next());
  EXPECT_EQ(reader.consumed_bytes(), 11U);
  EXPECT_EQ(reader.records(), 2U);
}

TEST(RecordReader, RepeatsItsFirstError) {
  RecordReader reader = make_reader(RecordFormat::kLengthPrefixed, "\x01", 1);
  const std::string first = reader.next().error().to_string();
  EXPECT_EQ(reader.next().error().to_string(), first);
}

TEST(RecordReader, PassesTheErrorOfItsSourceOn) {
  RecordReader reader([](auto) -> Result<std::size_t> { return Error(ErrorCode::kIo, "gone"); },
                      {});
  EXPECT_THAT(reader.next(), has_code(ErrorCode::kIo));
}

}  // namespace
}  // namespace nacre::tools
