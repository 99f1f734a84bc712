// What damage to a table does: it is found, named, and takes nothing else with it.

#include <gtest/gtest.h>

#include <filesystem>

#include "lib/store/table.h"
#include "lib/store/table_cursor.h"
#include "tests/lib/store/table_files.h"
#include "tests/support/checked_file_damage.h"
#include "tests/support/file_bytes.h"

namespace nacre::store::test {
namespace {

using testing::HasSubstr;

/// Small, with something in every part.
std::vector<Row> few_rows() {
  return {{"apple", 4, EntryKind::kPut, "red"},
          {"apple", 2, EntryKind::kRemove},
          {"apricot", 3, EntryKind::kMerge, "orange"}};
}

void build_small(TableFiles& files) {
  const auto builder = files.builder();
  for (const Row& row : few_rows()) ASSERT_OK(builder->add(entry_of(row)));
  ASSERT_OK(builder->add_range_removal(as_bytes("b"), as_bytes("c"), Sequence{9}));
  ASSERT_OK(builder->finish());
}

/// Opens and reads all of it, first by its entries and then by `verify`, which must agree.
Status read_all(TableFiles& files) {
  auto table = files.open();
  if (!table) return table.error();
  Status walked;
  TableCursor cursor(**table);
  std::size_t seen = 0;
  for (walked = cursor.seek_first(); walked && cursor.valid(); walked = cursor.next()) {
    EXPECT_EQ(row_of(cursor.entry()), few_rows()[seen++]);
  }
  Status verified = (*table)->verify();
  EXPECT_EQ(walked.has_value(), verified.has_value());
  EXPECT_EQ(walked.has_value(), seen == few_rows().size());
  for (const Status& status : {walked, verified}) {
    if (status) continue;
    EXPECT_EQ(status.error().path(), files.path().string());
    EXPECT_TRUE(status.error().offset());
  }
  return verified;
}

TEST(TableDamage, EveryFlippedBitIsFound) {
  TableFiles files;
  build_small(files);
  nacre::test::expect_every_flipped_bit_is_found(files.path(), [&] { return read_all(files); });
}

TEST(TableDamage, EveryCutIsFound) {
  TableFiles files;
  build_small(files);
  nacre::test::expect_every_cut_is_found(files.path(), [&] { return read_all(files); });
}

TEST(TableDamage, BytesBehindTheEndAreFound) {
  TableFiles files;
  build_small(files);
  nacre::test::write_content(files.path(), nacre::test::file_content(files.path()) + '\0');
  EXPECT_THAT(files.open(), has_code(ErrorCode::kCorruption));
}

TEST(TableDamage, ANewerFormatIsUnsupported) {
  TableFiles files;
  build_small(files);
  std::string content = nacre::test::file_content(files.path());
  content[offsetof(TableHeader, format_version)] = 9;
  const le32 crc = table_crc(as_bytes(content).first(kTableHeaderBytes).subspan(12));
  content.replace(8, 4, reinterpret_cast<const char*>(&crc), 4);
  nacre::test::write_content(files.path(), content);
  const auto opened = files.open();
  ASSERT_THAT(opened, has_code(ErrorCode::kUnsupported));
  EXPECT_THAT(opened.error().message(), HasSubstr("version 9"));
  EXPECT_EQ(opened.error().path(), files.path().string());
}

/// Rows of several blocks.
std::vector<Row> many_rows() {
  std::vector<Row> rows;
  for (int i = 1000; i < 1400; ++i) {
    rows.push_back({std::to_string(i), 1, EntryKind::kPut, std::string(1001, 'v')});
  }
  return rows;
}

TEST(TableDamage, OneBlockTakesNoOtherWithIt) {
  TableFiles files;
  files.build(many_rows());
  const std::uint64_t damaged_block = 3;
  const std::uint64_t begin = kTableDataOffset + damaged_block * kTableBlockBytes;
  nacre::test::flip_bit(files.path(), begin + 12345);
  ASSERT_OK_AND_ASSIGN(const auto table, files.open());

  std::uint64_t offset = kTableDataOffset;
  std::size_t lost = 0;
  for (const Row& row : many_rows()) {
    const std::uint64_t end = offset + entry_bytes(row.key.size(), row.value.size());
    const auto found = table->find(as_bytes(row.key));
    if (offset < begin + kTableBlockBytes && end > begin) {
      ++lost;
      ASSERT_THAT(found, has_code(ErrorCode::kCorruption)) << row.key;
      EXPECT_EQ(found.error().offset(), begin);
    } else {
      EXPECT_EQ(found_row(found), row);
    }
    offset = end;
  }
  EXPECT_GT(lost, 60u);
  EXPECT_THAT(table->verify(), has_code(ErrorCode::kCorruption));
}

TEST(TableDamage, ACursorShowsWhatStandsBeforeAndBehindIt) {
  TableFiles files;
  const std::vector<Row> rows = many_rows();
  files.build(rows);
  nacre::test::flip_bit(files.path(), kTableDataOffset + 2 * kTableBlockBytes + 5);
  ASSERT_OK_AND_ASSIGN(const auto table, files.open());
  TableCursor cursor(*table);
  std::size_t seen = 0;
  Status moved = cursor.seek_first();
  for (; moved && cursor.valid(); moved = cursor.next()) {
    EXPECT_EQ(row_of(cursor.entry()), rows[seen++]);
  }
  ASSERT_THAT(moved, has_code(ErrorCode::kCorruption));
  EXPECT_FALSE(cursor.valid());
  const std::uint64_t entry = entry_bytes(4, 1001);
  EXPECT_EQ(seen, 2 * kTableBlockBytes / entry);

  std::size_t left = rows.size();
  for (moved = cursor.seek_last(); moved && cursor.valid(); moved = cursor.prev()) {
    EXPECT_EQ(row_of(cursor.entry()), rows[--left]);
  }
  ASSERT_THAT(moved, has_code(ErrorCode::kCorruption));
  EXPECT_EQ(left, 3 * kTableBlockBytes / entry + 1);
  EXPECT_THAT(cursor.seek(as_bytes(rows[seen + 1].key)), has_code(ErrorCode::kCorruption));
}

TEST(TableDamage, AFileCutShortUnderAReaderIsAnError) {
  TableFiles files;
  const std::vector<Row> rows = many_rows();
  files.build(rows);
  ASSERT_OK_AND_ASSIGN(const auto table, files.open());
  ASSERT_OK(table->verify());
  TableCursor cursor(*table);
  ASSERT_OK(cursor.seek_first());
  const std::uint64_t kept = 2 * kTableBlockBytes;
  std::filesystem::resize_file(files.path(), kept);

  // The index is gone too: no key can be looked for.
  const auto found = table->find(as_bytes(rows.back().key));
  ASSERT_THAT(found, has_code(ErrorCode::kIo));
  EXPECT_EQ(found.error().path(), files.path().string());
  EXPECT_GE(*found.error().offset(), kept);
  EXPECT_THAT(cursor.seek(as_bytes(rows.back().key)), has_code(ErrorCode::kIo));
  EXPECT_THAT(table->verify(), has_code(ErrorCode::kIo));
  EXPECT_THAT(table->approximate_bytes(as_bytes("1"), as_bytes("2")), has_code(ErrorCode::kIo));
  const std::uint64_t hash = table_hash(as_bytes(rows.back().key));
  table->prefetch_entries({&hash, 1});

  ASSERT_OK(cursor.seek_first());
  std::size_t seen = 0;
  Status moved;
  for (; moved && cursor.valid(); moved = cursor.next()) {
    // Its header may stand before the cut, and its value behind it.
    const Status looked =
        table->look([&]() noexcept { EXPECT_EQ(as_text(cursor.entry().value), rows[seen].value); });
    ++seen;
    EXPECT_TRUE(looked || looked.error().code() == ErrorCode::kIo);
  }
  ASSERT_THAT(moved, has_code(ErrorCode::kIo));
  EXPECT_GE(*moved.error().offset(), kept);
  EXPECT_GE(seen, (kept - kTableDataOffset) / entry_bytes(4, 1001));
}

TEST(TableDamage, AFileCutShortBeforeAnOpenIsCorrupt) {
  TableFiles files;
  files.build(many_rows());
  std::filesystem::resize_file(files.path(), 2 * kTableBlockBytes);
  const auto opened = files.open();
  ASSERT_THAT(opened, has_code(ErrorCode::kCorruption));
  EXPECT_THAT(opened.error().message(), HasSubstr("131072 bytes"));
}

}  // namespace
}  // namespace nacre::store::test
