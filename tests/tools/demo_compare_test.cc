#include "tools/demo_compare.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "tests/support/result_matchers.h"

namespace nacre::tools {
namespace {

RecordStream stream_of(std::vector<std::string> records) {
  return [records = std::move(records),
          at = std::size_t{0}]() mutable -> Result<std::optional<Bytes>> {
    if (at == records.size()) return std::optional<Bytes>();
    return as_bytes(records[at++]);
  };
}

Comparison compare(std::vector<std::string> source, std::vector<std::string> log,
                   std::uint64_t acknowledged) {
  return compare_records(stream_of(std::move(source)), stream_of(std::move(log)), acknowledged,
                         [](std::uint64_t) {})
      .value();
}

TEST(DemoCompare, IsGoodWhenAllIsThere) {
  const Comparison comparison = compare({"a", "b"}, {"a", "b"}, 2);
  EXPECT_TRUE(comparison.good());
  EXPECT_EQ(comparison.equal, 2U);
}

TEST(DemoCompare, CountsWhatIsMissing) {
  const Comparison comparison = compare({"a", "b", "c"}, {"a"}, 3);
  EXPECT_FALSE(comparison.good());
  EXPECT_EQ(comparison.lost, 2U);
}

TEST(DemoCompare, CountsWhatIsDifferent) {
  const Comparison comparison = compare({"a", "b", "c"}, {"a", "c", "c"}, 3);
  EXPECT_FALSE(comparison.good());
  EXPECT_EQ(comparison.different, 1U);
}

TEST(DemoCompare, CountsWhatTheSourceDoesNotHave) {
  const Comparison comparison = compare({"a"}, {"a", "a"}, 1);
  EXPECT_FALSE(comparison.good());
  EXPECT_EQ(comparison.extra, 1U);
}

TEST(DemoCompare, DoesNotMissWhatWasNeverAcknowledged) {
  EXPECT_TRUE(compare({"a", "b"}, {"a"}, 1).good());
}

TEST(DemoCompare, CountsWhatCannotBeReadAsLost) {
  int reads = 0;
  const RecordStream broken = [&]() -> Result<std::optional<Bytes>> {
    if (reads++ == 0) return as_bytes("a");
    return Error(ErrorCode::kCorruption, "checksum");
  };
  ASSERT_OK_AND_ASSIGN(
      const Comparison comparison,
      compare_records(stream_of({"a", "b", "c"}), broken, 3, [](std::uint64_t) {}));
  EXPECT_FALSE(comparison.good());
  EXPECT_EQ(comparison.lost, 2U);
  ASSERT_TRUE(comparison.read_error.has_value());
}

}  // namespace
}  // namespace nacre::tools
