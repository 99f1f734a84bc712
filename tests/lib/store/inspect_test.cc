#include "lib/store/inspect.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "mmap/superblock.h"
#include "nacre/store.h"
#include "tests/support/file_bytes.h"
#include "tests/support/result_matchers.h"
#include "tests/support/temp_directory.h"

namespace nacre::store {
namespace {

using test::has_code;

/// A store with a keyspace in an order of its own, and two tables in it.
class InspectTest : public testing::Test {
 protected:
  void SetUp() override { store_.emplace(fill().value()); }

  Result<Store> fill() {
    auto store = Store::open(path_, {.write_lanes = 1,
                                     .segment_bytes = std::uint64_t{256} << 10,
                                     .domain = DomainRequest::kEmulated});
    if (!store) return store;
    auto orders = store->create_keyspace("orders", {.comparator = by_length()});
    if (!orders) return orders.error();
    for (int round = 0; round < 2; ++round) {
      for (int i = 0; i < 1000; ++i) {
        const std::string key = "key " + std::to_string(i);
        if (auto put = store->put(*orders, as_bytes(key), as_bytes(key)); !put) return put.error();
      }
      if (auto flushed = store->flush(); !flushed) return flushed.error();
    }
    return store;
  }

  static Comparator by_length() {
    return Comparator::custom("by-length", [](Bytes a, Bytes b) {
      if (a.size() != b.size()) return a.size() <=> b.size();
      return as_text(a) <=> as_text(b);
    });
  }

  wal::LogLocation location() {
    return {.directory = path_, .log_uuid = read_superblock(files_, path_).value().uuid};
  }
  std::vector<TableRecord> tables() {
    std::vector<TableRecord> found;
    const ManifestState state = read_manifest(files_, location()).value();
    for (const auto& [id, keyspace] : state.keyspaces) {
      for (const auto& [number, table] : keyspace.tables) found.push_back(table);
    }
    return found;
  }
  std::filesystem::path first_table() { return table_path(path_, {tables().front().id}); }

  test::TempDirectory directory_;
  std::filesystem::path path_ = directory_.path() / "store";
  PosixFileSystem files_;
  DeterministicExecutor executor_{1};
  std::optional<Store> store_;
};

TEST_F(InspectTest, SeesWhatTheWriterBesideItHasSaid) {
  ASSERT_OK_AND_ASSIGN(ManifestState state, read_manifest(files_, location()));
  ASSERT_EQ(state.keyspaces.size(), 2U);
  EXPECT_EQ(state.keyspaces.at(1).name, "orders");
  EXPECT_EQ(state.keyspaces.at(1).comparator, "by-length");
  EXPECT_FALSE(state.keyspaces.at(1).tables.empty());
  ASSERT_OK_AND_ASSIGN(const Keyspace orders, store_->keyspace("orders"));
  ASSERT_OK(store_->drop_keyspace(orders));
  ASSERT_OK_AND_ASSIGN(state, read_manifest(files_, location()));
  EXPECT_EQ(state.keyspaces.size(), 1U);
}

TEST_F(InspectTest, SoundTablesAreCounted) {
  std::uint64_t seen = 0;
  ASSERT_OK_AND_ASSIGN(
      const TablesReport report,
      verify_tables(files_, executor_, location(), [&](std::uint64_t bytes) { seen += bytes; }));
  EXPECT_THAT(report.damage, testing::IsEmpty());
  EXPECT_EQ(report.tables, tables().size());
  EXPECT_GT(report.tables, 0U);
  EXPECT_GE(report.entries, 1000U);
  EXPECT_EQ(report.bytes, seen);
}

TEST_F(InspectTest, AFlippedBitOfATableIsPlaced) {
  const auto damaged = first_table();
  test::flip_bit(damaged, kTableDataOffset + 100, 0);
  ASSERT_OK_AND_ASSIGN(const TablesReport report, verify_tables(files_, executor_, location()));
  ASSERT_EQ(report.damage.size(), 1U);
  EXPECT_EQ(report.damage[0].code(), ErrorCode::kCorruption);
  EXPECT_EQ(report.damage[0].path(), damaged.string());
  ASSERT_TRUE(report.damage[0].offset().has_value());
  EXPECT_EQ(*report.damage[0].offset(), kTableDataOffset);
}

TEST_F(InspectTest, AMissingTableIsDamage) {
  std::filesystem::remove(first_table());
  ASSERT_OK_AND_ASSIGN(const TablesReport report, verify_tables(files_, executor_, location()));
  ASSERT_EQ(report.damage.size(), 1U);
  EXPECT_EQ(report.damage[0].code(), ErrorCode::kNotFound);
}

TEST_F(InspectTest, AHeaderByItself) {
  ASSERT_OK_AND_ASSIGN(const TableHeader header, read_table_header(files_, first_table()));
  EXPECT_EQ(std::uint64_t{header.keys}, 1000U);
  ASSERT_OK_AND_ASSIGN(const TableNames names, read_table_names(files_, first_table(), header));
  EXPECT_EQ(names.comparator, "by-length");
  EXPECT_THAT(read_table_header(files_, path_ / "none"), has_code(ErrorCode::kNotFound));
  test::flip_bit(first_table(), 50, 0);
  EXPECT_THAT(read_table_header(files_, first_table()), has_code(ErrorCode::kCorruption));
  std::filesystem::resize_file(first_table(), 100);
  EXPECT_THAT(read_table_header(files_, first_table()), has_code(ErrorCode::kCorruption));
}

TEST_F(InspectTest, AManifestThatCannotBeReadIsAnError) {
  const wal::LogLocation nowhere = {.directory = directory_.path(), .log_uuid = {}};
  EXPECT_FALSE(read_manifest(files_, nowhere));
}

}  // namespace
}  // namespace nacre::store
