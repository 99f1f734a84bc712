#include "lib/store/table_format.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <sstream>

#include "lib/store/table_builder.h"
#include "tests/support/file_bytes.h"
#include "tests/support/result_matchers.h"
#include "tests/support/temp_directory.h"

namespace nacre::store {
namespace {

using nacre::test::has_code;

constexpr std::uint64_t kFileBytes = 4096 + 5 * 64 + 128;

/// Of a table of one entry of 64 bytes.
TableHeader good_header() {
  TableHeader header{};
  header.magic = kTableMagic;
  header.format_version = kTableFormatVersion;
  header.file_bytes = kFileBytes;
  header.entries = 1;
  header.keys = 1;
  header.removals = 4;
  header.points = 1;
  header.data_end = 4096 + 64;
  header.last_entry = 4096;
  std::uint64_t at = 4096 + 64;
  for (TableArea* area : {&header.checksums, &header.hash_index, &header.sparse_index,
                          &header.range_removals, &header.names}) {
    area->offset = at;
    area->bytes = area == &header.names ? 128 : 64;
    at += area->bytes;
  }
  header.comparator_bytes = 100;
  header.largest_bytes = 28;
  return header;
}

Result<TableHeader> recoded(const TableHeader& header) {
  return decode_table_header(encode_table_header(header), kFileBytes);
}

TEST(TableFormat, NamesFilesByTheirIds) {
  EXPECT_EQ(table_file_name({0x2a}), "000000000000002a.table");
  EXPECT_EQ(table_id_of("000000000000002a.table"), TableId{0x2a});
  EXPECT_EQ(unfinished_table_id_of("000000000000002a.table.tmp"), TableId{0x2a});
  for (const std::string_view name :
       {"", "a.table", "000000000000002A.table", "000000000000002a.tab", "000000000000002a.seg",
        "x00000000000002a.table", "000000000000002a.table.tmp", "0x0000000000002a.table"}) {
    EXPECT_EQ(table_id_of(name), TableId{}) << name;
  }
  EXPECT_EQ(unfinished_table_id_of("000000000000002a.table"), TableId{});
}

TEST(TableFormat, AHeaderComesBack) {
  ASSERT_OK_AND_ASSIGN(const TableHeader header, recoded(good_header()));
  EXPECT_EQ(header.names.bytes, 128u);
}

TEST(TableFormat, PartsThatDoNotAddUpAreDamage) {
  const std::vector<std::function<void(TableHeader&)>> changes = {
      [](TableHeader& h) { h.data_end = 4096 - 8; },
      [](TableHeader& h) { h.data_end = 4096; },
      [](TableHeader& h) { h.data_end = 4096 + 63; },
      [](TableHeader& h) { h.data_end = 4096 + 72; },
      [](TableHeader& h) { h.last_entry = 4096 + 64; },
      [](TableHeader& h) { h.last_entry = 4088; },
      [](TableHeader& h) { h.last_entry = 4097; },
      [](TableHeader& h) { h.entries = 0; },
      [](TableHeader& h) { h.keys = 2; },
      [](TableHeader& h) { h.points = 0; },
      [](TableHeader& h) { h.points = 6; },
      [](TableHeader& h) { h.points = ~std::uint64_t{0}; },
      [](TableHeader& h) { h.removals = 5; },
      [](TableHeader& h) { h.comparator_bytes = 101; },
      [](TableHeader& h) { h.prefix_bytes = ~0U; },
      [](TableHeader& h) { h.checksums.offset = 4096 + 128; },
      [](TableHeader& h) { h.checksums.offset = ~std::uint64_t{63}; },
      [](TableHeader& h) { h.hash_index.bytes = 128; },
      [](TableHeader& h) { h.names.bytes = ~std::uint64_t{0}; },
      [](TableHeader& h) { h.names.bytes = 64; },
      [](TableHeader& h) { h.file_bytes = kFileBytes + 64; },
      [](TableHeader& h) {
        h.hash_index.bytes = 0;
        h.checksums.bytes = 128;
        h.sparse_index.offset = h.hash_index.offset = 4096 + 192;
      },
      [](TableHeader& h) {
        h.checksums.bytes = 0;
        h.hash_index.offset = 4096 + 64;
        h.hash_index.bytes = 128;
      },
  };
  for (std::size_t i = 0; i < changes.size(); ++i) {
    TableHeader header = good_header();
    changes[i](header);
    EXPECT_THAT(recoded(header), has_code(ErrorCode::kCorruption)) << "change " << i;
  }
}

/// What the page shows of a file, as xxd prints it: what it leaves out is zero.
std::string shown_file(const std::string& page) {
  const std::size_t begin = page.find("```xxd\n") + 7;
  std::istringstream lines(page.substr(begin, page.find("```", begin) - begin));
  std::string content;
  for (std::string line; std::getline(lines, line);) {
    const std::size_t offset = std::stoul(line.substr(0, 8), nullptr, 16);
    content.resize(offset);
    for (std::size_t byte = 0; byte < 16; ++byte) {
      const std::string digits = line.substr(10 + byte / 2 * 5 + byte % 2 * 2, 2);
      content.push_back(static_cast<char>(std::stoul(digits, nullptr, 16)));
    }
  }
  return content;
}

TEST(TableFormat, TheExampleOfItsPageIsWhatTheBuilderWrites) {
  const nacre::test::TempDirectory directory = nacre::test::TempDirectory::on_tmpfs();
  PosixFileSystem file_system;
  TableBuilder::Options options{.directory = directory.path(), .id = {1}, .store_uuid = {}};
  options.owner = {.keyspace = 7, .name = "fruit", .merge_operator = "mix"};
  options.store_uuid.bytes = {0xc1, 0x5c, 0x02, 0x89, 0xec, 0x2d, 0x4a, 0x91,
                              0xa7, 0xec, 0x8e, 0x65, 0xa1, 0x8d, 0xeb, 0xbe};
  ASSERT_OK_AND_ASSIGN(const auto builder, TableBuilder::create(file_system, options));
  ASSERT_OK(builder->add({as_bytes("apple"), {0x400}, EntryKind::kPut, as_bytes("red")}));
  ASSERT_OK(builder->add({as_bytes("apple"), {0x200}, EntryKind::kRemove, {}}));
  ASSERT_OK(builder->add({as_bytes("apricot"), {0x300}, EntryKind::kPut, as_bytes("orange")}));
  ASSERT_OK(builder->add_range_removal(as_bytes("b"), as_bytes("c"), {0x100}));
  ASSERT_OK(builder->finish());
  const std::string file = nacre::test::file_content(directory.path() / table_file_name({1}));
  std::string shown = shown_file(nacre::test::file_content(NACRE_TABLE_PAGE));
  shown.resize(file.size());
  EXPECT_TRUE(shown == file);
}

}  // namespace
}  // namespace nacre::store
