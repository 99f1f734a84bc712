#include "lib/store/table.h"

#include <gtest/gtest.h>

#include "lib/store/table_cursor.h"
#include "nacre/emulation/fault_file_system.h"
#include "tests/lib/store/table_files.h"
#include "tests/support/seed.h"

namespace nacre::store::test {
namespace {

using testing::HasSubstr;

TEST(Table, FindsTheNewestVersionThatIsNotTooNewInEveryOrder) {
  SeededRandom random(nacre::test::seed());
  for (const Comparator& comparator : all_comparators()) {
    for (const std::size_t count : {1U, 2U, 17U, 900U}) {
      TableFiles files(comparator);
      const std::vector<Row> rows = random_rows(random, comparator, count);
      const auto table = files.built(rows);
      for (const Row& row : rows) {
        for (const std::uint64_t at : {row.sequence, row.sequence - 1, kNewest.value}) {
          ASSERT_EQ(found_row(table->find(as_bytes(row.key), Sequence{at})),
                    newest(rows, row.key, at));
        }
        const std::string longer = row.key + "x";
        ASSERT_EQ(found_row(table->find(as_bytes(longer))), newest(rows, longer, kNewest.value));
      }
    }
  }
}

TEST(Table, FindsAVersionAmongMoreThanAreWalkedOver) {
  std::vector<Row> rows = {{"before", 5}};
  for (std::uint64_t i = 0; i < 500; ++i) {
    rows.push_back({"many", 1000 - i * 2, EntryKind::kPut, std::to_string(i)});
  }
  rows.push_back({"near", 1});
  TableFiles files;
  const auto table = files.built(rows);
  for (std::uint64_t at = 0; at <= 1001; ++at) {
    ASSERT_EQ(found_row(table->find(as_bytes("many"), Sequence{at})), newest(rows, "many", at))
        << at;
  }
}

// Eight keys or fewer share one bucket: the fingerprint alone says which is meant.
TEST(Table, TellsKeysOfOneFingerprintApart) {
  const auto fingerprint = [](std::uint64_t number) {
    return IndexHash{table_hash(as_bytes(std::to_string(number)))}.fingerprint();
  };
  std::vector<std::uint64_t> same = {1000};
  for (std::uint64_t number = 1001; same.size() < 3; ++number) {
    if (fingerprint(number) == fingerprint(1000)) same.push_back(number);
  }
  std::vector<Row> rows = {{std::to_string(same[0]), 1, EntryKind::kPut, "first"},
                           {std::to_string(same[1]), 2, EntryKind::kPut, "second"}};
  sort_rows(rows, Comparator::bytewise());
  TableFiles files;
  const auto table = files.built(rows);
  for (const Row& row : rows) EXPECT_EQ(found_row(table->find(as_bytes(row.key))), row);
  EXPECT_FALSE(found_row(table->find(as_bytes(std::to_string(same[2])))));
}

TEST(Table, HoldsTheSmallestAndTheLargestKeysAndValues) {
  const std::string key(kMaxKeyBytes, 'k');
  const std::string value(kMaxValueBytes, 'v');
  const std::vector<Row> rows = {{"", 1, EntryKind::kPut, value},
                                 {"a", 2},
                                 {key.substr(1), 3},
                                 {key, 4, EntryKind::kPut, value}};
  TableFiles files;
  const auto table = files.built(rows);
  for (const Row& row : rows) EXPECT_EQ(found_row(table->find(as_bytes(row.key))), row);
  EXPECT_OK(table->verify());
}

TEST(Table, TellsWhatItsBuilderTold) {
  TableFiles files;
  const TableInfo built = files.build({{"a", 7, EntryKind::kPut, "xyz"}, {"a", 3}, {"b", 9}});
  ASSERT_OK_AND_ASSIGN(const auto table, files.open());
  EXPECT_EQ(table->info(), built);
  EXPECT_EQ(built.entries, 3u);
  EXPECT_EQ(built.keys, 2u);
  EXPECT_EQ(built.raw_bytes, 6u);
  EXPECT_EQ(as_text(built.smallest_key), "a");
  EXPECT_EQ(as_text(built.largest_key), "b");
  EXPECT_EQ(built.smallest_sequence, Sequence{3});
  EXPECT_EQ(built.largest_sequence, Sequence{9});
  EXPECT_EQ(built.file_bytes, std::filesystem::file_size(files.path()));
}

TEST(Table, KeepsRangeRemovalsAndCountsThemInItsBounds) {
  TableFiles files;
  const auto builder = files.builder();
  ASSERT_OK(builder->add_range_removal(as_bytes("x"), as_bytes("z"), Sequence{50}));
  ASSERT_OK(builder->add(entry_of({"m", 20})));
  ASSERT_OK(builder->add_range_removal(as_bytes(""), as_bytes("c"), Sequence{2}));
  ASSERT_OK(builder->finish());
  ASSERT_OK_AND_ASSIGN(const auto table, files.open());
  ASSERT_EQ(table->removals().size(), 2u);
  EXPECT_EQ(as_text(table->removals()[0].begin), "x");
  EXPECT_EQ(as_text(table->removals()[0].end), "z");
  EXPECT_EQ(table->removals()[0].sequence, Sequence{50});
  EXPECT_EQ(as_text(table->removals()[1].begin), "");
  EXPECT_EQ(as_text(table->info().smallest_key), "");
  EXPECT_EQ(as_text(table->info().largest_key), "z");
  EXPECT_EQ(table->info().smallest_sequence, Sequence{2});
  EXPECT_EQ(table->info().largest_sequence, Sequence{50});
  EXPECT_TRUE(found_row(table->find(as_bytes("m"))));
}

TEST(Table, MayHoldNothingButRangeRemovals) {
  TableFiles files;
  const auto builder = files.builder();
  ASSERT_OK(builder->add_range_removal(as_bytes("a"), as_bytes("b"), Sequence{1}));
  ASSERT_OK(builder->finish());
  ASSERT_OK_AND_ASSIGN(const auto table, files.open());
  EXPECT_EQ(table->removals().size(), 1u);
  EXPECT_FALSE(found_row(table->find(as_bytes("a"))));
  table->prefetch(table_hash(as_bytes("a")));
  TableCursor cursor(*table);
  ASSERT_OK(cursor.seek_first());
  EXPECT_FALSE(cursor.valid());
  ASSERT_OK(cursor.seek_last());
  EXPECT_FALSE(cursor.valid());
  ASSERT_OK(cursor.seek(as_bytes("a")));
  EXPECT_FALSE(cursor.valid());
  ASSERT_OK(cursor.seek_for_prev(as_bytes("a")));
  EXPECT_FALSE(cursor.valid());
  EXPECT_OK(table->verify());
}

TEST(Table, PrefetchingChangesNothing) {
  SeededRandom random(nacre::test::seed());
  TableFiles files;
  const std::vector<Row> rows = random_rows(random, Comparator::bytewise(), 200);
  const auto table = files.built(rows);
  std::vector<std::uint64_t> hashes = {1, 2, 3};
  for (const Row& row : rows) hashes.push_back(table_hash(as_bytes(row.key)));
  for (const std::uint64_t hash : hashes) table->prefetch(hash);
  table->prefetch_entries(hashes);
  for (const Row& row : rows) {
    EXPECT_EQ(found_row(table->find(as_bytes(row.key), table_hash(as_bytes(row.key)), kNewest)),
              newest(rows, row.key, kNewest.value));
  }
}

TEST(Table, MeasuresARangeByTheBytesOfItsEntries) {
  SeededRandom random(nacre::test::seed());
  for (const Comparator& comparator : all_comparators()) {
    TableFiles files(comparator);
    const std::vector<Row> rows = random_rows(random, comparator, 500);
    const auto table = files.built(rows);
    for (int round = 0; round < 50; ++round) {
      const std::string& begin = rows[random.next_u64() % rows.size()].key;
      const std::string& end = rows[random.next_u64() % rows.size()].key;
      std::uint64_t expected = 0;
      for (const Row& row : rows) {
        if (comparator(as_bytes(row.key), as_bytes(begin)) < 0) continue;
        if (comparator(as_bytes(row.key), as_bytes(end)) >= 0) continue;
        expected += entry_bytes(row.key.size(), row.value.size());
      }
      ASSERT_OK_AND_ASSIGN(const auto bytes,
                           table->approximate_bytes(as_bytes(begin), as_bytes(end)));
      EXPECT_EQ(bytes, expected);
    }
  }
}

TEST(Table, IsReadWithoutAMappingToo) {
  SeededRandom random(nacre::test::seed());
  TableFiles files;
  const std::vector<Row> rows = random_rows(random, Comparator::bytewise(), 300);
  files.build(rows);
  FaultFileSystem unmapped(files.file_system(), {.pass_native_handle = false});
  ASSERT_OK_AND_ASSIGN(const auto table, Table::open(unmapped, files.options()));
  for (const Row& row : rows) {
    EXPECT_EQ(found_row(table->find(as_bytes(row.key), Sequence{row.sequence})),
              newest(rows, row.key, row.sequence));
  }
}

TEST(Table, TakesLittleMemory) {
  TableFiles files;
  std::vector<Row> rows;
  for (std::uint64_t i = 0; i < 100'000; ++i) {
    rows.push_back({std::to_string(10'000'000'000'000'000 + i * 977), i, EntryKind::kPut, "value"});
  }
  const auto table = files.built(rows);
  EXPECT_LE(static_cast<double>(table->memory_bytes()), 1.5 * static_cast<double>(rows.size()));
}

TEST(Table, RefusesAnotherComparatorAndNamesBoth) {
  TableFiles files(by_length());
  files.build({{"a", 1}});
  Table::Options options = files.options();
  options.comparator = Comparator::bytewise();
  const auto opened = Table::open(files.file_system(), options);
  ASSERT_THAT(opened, has_code(ErrorCode::kInvalidArgument));
  EXPECT_THAT(opened.error().message(), HasSubstr("test.by_length"));
  EXPECT_THAT(opened.error().message(), HasSubstr("nacre.bytewise"));
  EXPECT_EQ(opened.error().path(), files.path().string());
}

TEST(Table, RefusesTheTableOfAnotherStoreAndAnotherNumber) {
  TableFiles files;
  files.build({{"a", 1}});
  Table::Options options = files.options();
  options.store_uuid.bytes[15] = 1;
  const auto foreign = Table::open(files.file_system(), options);
  ASSERT_THAT(foreign, has_code(ErrorCode::kCorruption));
  EXPECT_THAT(foreign.error().message(), HasSubstr(options.store_uuid.to_string()));

  options = files.options();
  options.id = TableId{7};
  ASSERT_OK(files.file_system().rename(files.path(), files.directory() / table_file_name({7})));
  EXPECT_THAT(Table::open(files.file_system(), options), has_code(ErrorCode::kCorruption));
}

TEST(Table, SaysThatItIsNotThere) {
  TableFiles files;
  EXPECT_THAT(files.open(), has_code(ErrorCode::kNotFound));
}

TEST(Table, PassesOnWhatOpeningMeets) {
  TableFiles files;
  files.build({{"a", 1}});
  FaultFileSystem faulty(files.file_system(), {.pass_native_handle = false});
  for (const FileOperation operation :
       {FileOperation::kOpen, FileOperation::kStat, FileOperation::kSize, FileOperation::kRead}) {
    faulty.plan().add({.operation = operation});
    EXPECT_THAT(Table::open(faulty, files.options()), has_code(ErrorCode::kIo))
        << file_operation_name(operation);
  }
  EXPECT_OK(Table::open(faulty, files.options()));
}

}  // namespace
}  // namespace nacre::store::test
