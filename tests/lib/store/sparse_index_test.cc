#include "lib/store/sparse_index.h"

#include <gtest/gtest.h>

#include "tests/lib/store/table_files.h"
#include "tests/support/seed.h"

namespace nacre::store::test {
namespace {

TEST(SparseIndex, StandsWhereAComparisonOfKeysWouldStand) {
  SeededRandom random(nacre::test::seed());
  for (const Comparator& comparator : all_comparators()) {
    for (int round = 0; round < 20; ++round) {
      const std::vector<Row> rows = random_rows(random, comparator, 400);
      SparseIndexBuilder builder(comparator);
      // Offsets that name their rows.
      for (std::size_t i = 0; i < rows.size(); ++i) {
        builder.add(as_bytes(rows[i].key), 4096 + i * kEntryAlignment);
      }
      const std::vector<std::byte> area = builder.build();
      const SparseIndex index(area, builder.points());
      const auto row_at = [&](std::uint64_t offset) -> const Row& {
        return rows[(offset - 4096) / kEntryAlignment];
      };
      for (const Row& row : rows) {
        ASSERT_TRUE(as_text(builder.prefix()) == row.key.substr(0, builder.prefix().size()));
        const auto before = [&](std::uint64_t offset) {
          return comparator(as_bytes(row_at(offset).key), as_bytes(row.key)) < 0;
        };
        std::uint64_t expected = 0;
        while (expected < index.points() && before(index.offset(expected))) ++expected;
        ASSERT_EQ(index.points_before(comparator.head(as_bytes(row.key), builder.prefix().size()),
                                      before),
                  expected);
      }
    }
  }
}

TEST(SparseIndex, HasAPointEverySoManyEntriesOrBytes) {
  const std::string keys = "0123456789abcdefghijklmnopqrstuvwxyz";
  SparseIndexBuilder dense(Comparator::bytewise());
  for (std::size_t i = 0; i < keys.size(); ++i) {
    dense.add(as_bytes(std::string_view(keys).substr(i, 1)), 4096 + i * 24);
  }
  EXPECT_EQ(dense.points(), 3u);
  SparseIndexBuilder wide(Comparator::bytewise());
  for (std::size_t i = 0; i < keys.size(); ++i) {
    wide.add(as_bytes(std::string_view(keys).substr(i, 1)), 4096 + i * SparseIndexBuilder::kBytes);
  }
  EXPECT_EQ(wide.points(), keys.size());
}

TEST(SparseIndex, LooksAtDataOnlyWhereHeadsAreEqual) {
  SparseIndexBuilder builder(Comparator::bytewise());
  for (std::uint64_t i = 0; i < 1000; ++i) {
    builder.add(as_bytes("prefix" + std::to_string(10'000'000 + i)), 4096 + i * 4096);
  }
  const std::vector<std::byte> area = builder.build();
  const SparseIndex index(area, builder.points());
  const std::size_t shared = builder.prefix().size();
  EXPECT_EQ(as_text(builder.prefix()), "prefix10000");
  int looked = 0;
  const std::uint64_t head = Comparator::bytewise().head(as_bytes("prefix10000500"), shared);
  EXPECT_EQ(index.points_before(head, [&](std::uint64_t) { return ++looked, false; }), 500u);
  EXPECT_EQ(looked, 1);
}

}  // namespace
}  // namespace nacre::store::test
