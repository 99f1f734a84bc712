#include "lib/store/compaction.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "lib/store/table_cursor.h"
#include "tests/lib/store/table_files.h"

namespace nacre::store::test {
namespace {

constexpr int kKeys = 200;
/// Of the keys in their order, the first that is removed, and the first behind those that are.
constexpr std::size_t kBegin = 21;
constexpr std::size_t kEnd = 178;
/// Newer than what the lower table holds, older than what the upper one does.
constexpr Sequence kRemoval{5000};

/// Tables of one directory, made from rows and by merges.
class Tables {
 public:
  explicit Tables(const Comparator& order) : files_(order), order_(order) {}

  Result<std::unique_ptr<TableBuilder>> begin() {
    TableBuilder::Options options = files_.builder_options();
    options.id = TableId{++last_};
    return TableBuilder::create(files_.file_system(), options);
  }
  TableHandle open(TableId id) {
    Table::Options options = files_.options();
    options.id = id;
    return Table::open(files_.file_system(), options).value();
  }
  TableHandle build(const std::vector<Row>& rows, std::optional<RangeRemoval> removal = {}) {
    auto builder = begin().value();
    for (const Row& row : rows) EXPECT_OK(builder->add(entry_of(row)));
    if (removal) {
      EXPECT_OK(builder->add_range_removal(removal->begin, removal->end, removal->sequence));
    }
    return open(builder->finish().value().id);
  }
  std::vector<TableHandle> merge(const Compaction& compaction, std::uint64_t table_bytes) {
    CompactionRun run(compaction, order_,
                      {.begin_table = [this] { return begin(); },
                       .table_bytes = table_bytes,
                       .versions = {},
                       .is_cancelled = [] { return false; }});
    const auto made = run.run();
    EXPECT_OK(made);
    std::vector<TableHandle> tables;
    for (const TableInfo& info : *made) tables.push_back(open(info.id));
    return tables;
  }

 private:
  TableFiles files_;
  const Comparator& order_;
  std::uint64_t last_ = 0;
};

std::vector<Row> rows_of(const Table& table) {
  std::vector<Row> rows;
  TableCursor cursor(table);
  EXPECT_OK(cursor.seek_first());
  while (cursor.valid()) {
    rows.push_back(row_of(cursor.entry()));
    EXPECT_OK(cursor.next());
  }
  return rows;
}

std::vector<std::string> keys_in(const Comparator& order) {
  std::vector<std::string> keys;
  for (int i = 0; i < kKeys; ++i) keys.push_back("key " + std::to_string(1000 + i));
  std::ranges::sort(keys, [&](const std::string& a, const std::string& b) {
    return order(as_bytes(a), as_bytes(b)) < 0;
  });
  return keys;
}

/// Each `step`th of the keys.
std::vector<Row> some(const std::vector<std::string>& keys, std::size_t step, std::uint64_t above) {
  std::vector<Row> rows;
  for (std::size_t i = 0; i < keys.size(); i += step) {
    rows.push_back({keys[i], above + i, EntryKind::kPut, std::string(100, 'v')});
  }
  return rows;
}

/// The pieces of the removal that stand in `tables` follow one another from its beginning to its
/// end, and each lies before the first key of the table behind.
void expect_one_removal(const std::vector<TableHandle>& tables,
                        const std::vector<std::string>& keys, const Comparator& order) {
  std::string from = keys[kBegin];
  for (std::size_t i = 0; i < tables.size(); ++i) {
    for (const RangeRemoval& piece : tables[i]->removals()) {
      EXPECT_EQ(as_text(piece.begin), from);
      EXPECT_EQ(piece.sequence, kRemoval);
      EXPECT_TRUE(order(tables[i]->info().smallest_key, piece.begin) <= 0);
      from = as_text(piece.end);
      if (i + 1 == tables.size()) continue;
      const std::string next = rows_of(*tables[i + 1]).front().key;
      EXPECT_TRUE(order(piece.end, as_bytes(next)) <= 0) << i;
    }
  }
  EXPECT_EQ(from, keys[kEnd]);
}

// The pieces go down one after the other: each hides what is below its own table, and leaves what
// is below the others to them.
TEST(CompactionRun, ARangeRemovalIsCutWhereTheTablesAre) {
  for (const Comparator& order : all_comparators()) {
    SCOPED_TRACE(order.name());
    Tables tables(order);
    const std::vector<std::string> keys = keys_in(order);
    const auto old = some(keys, 1, 1);
    TableHandle below = tables.build(old);
    const auto newer = some(keys, 7, 9000);
    const TableHandle removal = tables.build({}, RangeRemoval{.begin = as_bytes(keys[kBegin]),
                                                              .end = as_bytes(keys[kEnd]),
                                                              .sequence = kRemoval});
    const auto pieces = tables.merge({.upper = {tables.build(newer), removal}, .lower = {}}, 400);
    ASSERT_GT(pieces.size(), 5U);
    expect_one_removal(pieces, keys, order);

    std::map<std::string, std::uint64_t> expected;  // Sequences.
    for (const Row& row : old) expected[row.key] = row.sequence;
    for (const TableHandle& piece : pieces) {
      for (const RangeRemoval& removed : piece->removals()) {
        std::erase_if(expected, [&](const auto& entry) {
          return entry.second < removed.sequence.value &&
                 order(removed.begin, as_bytes(entry.first)) <= 0 &&
                 order(as_bytes(entry.first), removed.end) < 0;
        });
      }
      for (const Row& row : rows_of(*piece)) expected[row.key] = row.sequence;
      const auto merged = tables.merge({.upper = {piece}, .lower = {below}, .is_bottom = true},
                                       std::uint64_t{64} << 20);
      ASSERT_EQ(merged.size(), 1U);
      below = merged.front();
      EXPECT_TRUE(below->removals().empty());
      std::map<std::string, std::uint64_t> found;
      for (const Row& row : rows_of(*below)) found[row.key] = row.sequence;
      ASSERT_EQ(found, expected);
    }
    for (std::size_t i = 0; i < keys.size(); ++i) {
      const bool stays = i % 7 == 0 || i < kBegin || i >= kEnd;
      EXPECT_EQ(expected.contains(keys[i]), stays) << keys[i];
    }
  }
}

}  // namespace
}  // namespace nacre::store::test
