#include "lib/store/table_cursor.h"

#include <gtest/gtest.h>

#include "tests/lib/store/table_files.h"
#include "tests/support/seed.h"

namespace nacre::store::test {
namespace {

/// Where a cursor must stand: an index into the rows; their number stands for nowhere.
std::size_t place_of(const std::vector<Row>& rows, const Comparator& comparator,
                     const std::string& key, std::uint64_t at) {
  std::size_t i = 0;
  for (; i < rows.size(); ++i) {
    const auto order = comparator(as_bytes(rows[i].key), as_bytes(key));
    if (order > 0 || (order == 0 && rows[i].sequence <= at)) break;
  }
  return i;
}

std::size_t place_for_prev(const std::vector<Row>& rows, const Comparator& comparator,
                           const std::string& key) {
  for (std::size_t i = rows.size(); i > 0; --i) {
    if (comparator(as_bytes(rows[i - 1].key), as_bytes(key)) <= 0) return i - 1;
  }
  return rows.size();
}

testing::AssertionResult stands_at(const TableCursor& cursor, const std::vector<Row>& rows,
                                   std::size_t place) {
  if (cursor.valid() != (place < rows.size())) {
    return testing::AssertionFailure() << "valid: " << cursor.valid() << ", place " << place;
  }
  if (!cursor.valid()) return testing::AssertionSuccess();
  if (row_of(cursor.entry()) != rows[place]) {
    return testing::AssertionFailure() << testing::PrintToString(row_of(cursor.entry())) << " for "
                                       << testing::PrintToString(rows[place]);
  }
  const bool older = place > 0 && rows[place - 1].key == rows[place].key;
  if (cursor.older() != older) return testing::AssertionFailure() << "older: " << cursor.older();
  return testing::AssertionSuccess();
}

TEST(TableCursor, WalksAndSeeksAsAModelDoesInEveryOrder) {
  SeededRandom random(nacre::test::seed());
  for (const Comparator& comparator : all_comparators()) {
    for (const std::size_t count : {1U, 2U, 16U, 40U, 1500U}) {
      TableFiles files(comparator);
      const std::vector<Row> rows = random_rows(random, comparator, count);
      const std::vector<Row> others = random_rows(random, comparator, 50);
      const auto table = files.built(rows);
      TableCursor cursor(*table);
      std::size_t place = rows.size();
      for (int step = 0; step < 6000; ++step) {
        const Row& row = step % 3 == 0 ? others[random.next_u64() % others.size()]
                                       : rows[random.next_u64() % rows.size()];
        const std::uint64_t choice = random.next_u64() % 40;
        if (choice == 0) {
          ASSERT_OK(cursor.seek_first());
          place = 0;
        } else if (choice == 1) {
          ASSERT_OK(cursor.seek_last());
          place = rows.size() - 1;
        } else if (choice == 2) {
          ASSERT_OK(cursor.seek(as_bytes(row.key)));
          place = place_of(rows, comparator, row.key, kNewest.value);
        } else if (choice == 3) {
          ASSERT_OK(cursor.seek(as_bytes(row.key), Sequence{row.sequence}));
          place = place_of(rows, comparator, row.key, row.sequence);
        } else if (choice == 4) {
          ASSERT_OK(cursor.seek_for_prev(as_bytes(row.key)));
          place = place_for_prev(rows, comparator, row.key);
        } else if (cursor.valid()) {
          const bool forward = choice < 24;
          ASSERT_OK(forward ? cursor.next() : cursor.prev());
          place = forward ? place + 1 : (place == 0 ? rows.size() : place - 1);
        }
        ASSERT_TRUE(stands_at(cursor, rows, place))
            << comparator.name() << ", " << count << " rows, choice " << choice;
      }
    }
  }
}

TEST(TableCursor, SeesEveryEntryInBothDirections) {
  SeededRandom random(nacre::test::seed());
  TableFiles files;
  const std::vector<Row> rows = random_rows(random, Comparator::bytewise(), 1000);
  const auto table = files.built(rows);
  TableCursor cursor(*table);
  std::size_t place = 0;
  ASSERT_OK(cursor.seek_first());
  while (cursor.valid()) {
    ASSERT_TRUE(stands_at(cursor, rows, place++));
    ASSERT_OK(cursor.next());
  }
  EXPECT_EQ(place, rows.size());
  ASSERT_OK(cursor.seek_last());
  while (cursor.valid()) {
    ASSERT_TRUE(stands_at(cursor, rows, --place));
    ASSERT_OK(cursor.prev());
  }
  EXPECT_EQ(place, 0u);
}

// Heads of 8 bytes cannot tell these keys apart: searches have to look at the data.
TEST(TableCursor, SeeksAmongKeysWithEqualHeads) {
  for (const Comparator& comparator : all_comparators()) {
    TableFiles files(comparator);
    std::vector<Row> rows;
    for (std::uint64_t i = 0; i < 600; ++i) {
      rows.push_back({std::string(i % 2 == 0 ? 'a' : 'b', 1) + std::string(40, 'h') +
                          std::to_string(1000 + i * 2),
                      i});
    }
    sort_rows(rows, comparator);
    const auto table = files.built(rows);
    TableCursor cursor(*table);
    for (std::uint64_t i = 999; i < 2300; ++i) {
      const std::string key = "a" + std::string(40, 'h') + std::to_string(i);
      ASSERT_OK(cursor.seek(as_bytes(key)));
      ASSERT_TRUE(stands_at(cursor, rows, place_of(rows, comparator, key, kNewest.value)));
    }
  }
}

// A SIGBUS inside of a function of the caller's would abandon it where it stands.
TEST(TableCursor, ShowsAComparatorOfTheCallersCopiesAlone) {
  struct Seen {
    const std::byte* begin = nullptr;
    const std::byte* end = nullptr;
    std::size_t inside = 0;
    std::size_t calls = 0;
  };
  const auto seen = std::make_shared<Seen>();
  const Comparator watching = Comparator::custom("test.watching", [seen](Bytes a, Bytes b) {
    ++seen->calls;
    for (const Bytes key : {a, b}) {
      if (key.data() >= seen->begin && key.data() < seen->end) ++seen->inside;
    }
    return Comparator::bytewise()(a, b);
  });
  TableFiles files(watching);
  std::vector<Row> rows;
  for (int i = 1000; i < 1200; ++i) rows.push_back({std::to_string(i), 1});
  const auto table = files.built(rows);
  TableCursor cursor(*table);
  ASSERT_OK(cursor.seek_first());
  seen->begin = cursor.entry().key.data();
  ASSERT_OK(cursor.seek_last());
  seen->end = cursor.entry().key.data() + 1;
  seen->calls = 0;
  for (const Row& row : rows) {
    ASSERT_OK(cursor.seek(as_bytes(row.key)));
    ASSERT_OK(cursor.seek_for_prev(as_bytes(row.key)));
    ASSERT_OK(table->approximate_bytes(as_bytes("1"), as_bytes(row.key)));
  }
  EXPECT_GT(seen->calls, rows.size());
  EXPECT_EQ(seen->inside, 0u);
}

TEST(TableCursor, SeeksOutsideTheCommonPrefix) {
  for (const Comparator& comparator : all_comparators()) {
    TableFiles files(comparator);
    std::vector<Row> rows;
    for (std::uint64_t i = 0; i < 100; ++i) rows.push_back({"prefix" + std::to_string(i), i});
    sort_rows(rows, comparator);
    const auto table = files.built(rows);
    TableCursor cursor(*table);
    for (const std::string key :
         {"", "p", "pre", "prefix", "prefiw9", "prefiy", "q", "prefiz0123"}) {
      ASSERT_OK(cursor.seek(as_bytes(key)));
      EXPECT_TRUE(stands_at(cursor, rows, place_of(rows, comparator, key, kNewest.value))) << key;
      ASSERT_OK(cursor.seek_for_prev(as_bytes(key)));
      EXPECT_TRUE(stands_at(cursor, rows, place_for_prev(rows, comparator, key))) << key;
    }
  }
}

}  // namespace
}  // namespace nacre::store::test
