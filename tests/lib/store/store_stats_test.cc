#include "nacre/store_stats.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "lib/store/table_format.h"
#include "nacre/clock.h"
#include "nacre/store.h"
#include "tests/support/file_bytes.h"
#include "tests/support/result_matchers.h"
#include "tests/support/temp_directory.h"

namespace nacre {
namespace {

using test::has_code;
using testing::HasSubstr;

constexpr std::uint64_t kWriteHeaderBytes = 16;

class StoreStatsTest : public testing::Test {
 protected:
  Result<Store> open() {
    StoreOptions options{.memtable_bytes = std::uint64_t{1} << 20,
                         .write_lanes = 1,
                         .segment_bytes = std::uint64_t{256} << 10,
                         .domain = DomainRequest::kEmulated};
    options.environment.clock = &clock_;
    options.environment.executor = &executor_;
    return Store::open(path(), options);
  }
  std::filesystem::path path() const { return directory_.path() / "store"; }

  /// Keys of 8 bytes and values of 100, the same ones each time.
  static void fill(Store& store, int count) {
    for (int i = 0; i < count; ++i) {
      std::string key = std::to_string(i);
      key.insert(0, 8 - key.size(), '0');
      ASSERT_OK(store.put(as_bytes(key), as_bytes(std::string(100, 'v'))));
    }
  }
  static StoreStats stats_of(const Store& store) { return store.stats().value(); }

  test::TempDirectory directory_ = test::TempDirectory::on_tmpfs();
  ManualClock clock_;
  // Without threads, so that what has been counted does not depend on the moment.
  DeterministicExecutor executor_{1};
};

TEST_F(StoreStatsTest, CountsWhatUsersWroteAlsoAcrossFlushes) {
  ASSERT_OK_AND_ASSIGN(Store store, open());
  EXPECT_EQ(stats_of(store).written_bytes, 0U);
  EXPECT_EQ(stats_of(store).write_amplification(), 0);
  fill(store, 100);
  const std::uint64_t once = 100 * (8 + 100 + kWriteHeaderBytes);
  EXPECT_EQ(stats_of(store).written_bytes, once);
  EXPECT_EQ(stats_of(store).unflushed_log_bytes, once);
  EXPECT_GT(stats_of(store).memtable_bytes, 0U);
  EXPECT_EQ(stats_of(store).write_amplification(), 1);
  ASSERT_OK(store.flush());
  fill(store, 100);
  EXPECT_EQ(stats_of(store).written_bytes, 2 * once);
  EXPECT_EQ(stats_of(store).unflushed_log_bytes, once);
  ASSERT_OK(store.close());

  ASSERT_OK_AND_ASSIGN(Store again, open());
  EXPECT_EQ(stats_of(again).written_bytes, 0U);  // What was replayed was written before.
  EXPECT_EQ(stats_of(again).unflushed_log_bytes, once);
  fill(again, 100);
  EXPECT_EQ(stats_of(again).written_bytes, once);
  ASSERT_OK(again.flush());
  EXPECT_EQ(stats_of(again).written_bytes, once);
}

TEST_F(StoreStatsTest, CountsFlushesAndMergesAndTheirBytes) {
  ASSERT_OK_AND_ASSIGN(Store store, open());
  for (int round = 0; round < 2; ++round) {
    fill(store, 100);
    ASSERT_OK(store.flush());
  }
  StoreStats stats = stats_of(store);
  EXPECT_EQ(stats.flushes, 2U);
  ASSERT_EQ(stats.keyspaces.size(), 1U);
  ASSERT_EQ(stats.keyspaces[0].levels.size(), 1U);
  const LevelStats& level = stats.keyspaces[0].levels[0];
  EXPECT_EQ(level.level, 0U);
  EXPECT_EQ(level.tables, 2U);
  EXPECT_EQ(level.entries, 200U);
  EXPECT_EQ(level.raw_bytes, 200U * 108);
  EXPECT_EQ(stats.flushed_bytes, level.bytes);
  EXPECT_EQ(stats.tables_per_get(), 2U);
  EXPECT_EQ(stats.merges, 0U);

  const std::uint64_t flushed = stats.flushed_bytes;
  ASSERT_OK(store.compact());
  stats = stats_of(store);
  EXPECT_EQ(stats.merges, 1U);
  EXPECT_EQ(stats.flushed_bytes, flushed);
  EXPECT_EQ(stats.merged_bytes, stats.keyspaces[0].table_bytes());
  EXPECT_EQ(stats.keyspaces[0].levels.back().raw_bytes, 100U * 108);
  EXPECT_EQ(stats.tables_per_get(), 1U);
  EXPECT_DOUBLE_EQ(stats.write_amplification(),
                   static_cast<double>(stats.written_bytes + flushed + stats.merged_bytes) /
                       static_cast<double>(stats.written_bytes));
  EXPECT_DOUBLE_EQ(stats.space_amplification(),
                   static_cast<double>(stats.merged_bytes) / (100 * 108));
}

TEST_F(StoreStatsTest, CountsBulkLoadsAndTheirBytes) {
  ASSERT_OK_AND_ASSIGN(Store store, open());
  const auto load = [&](int first, bool is_committed) {
    BulkLoad one = store.begin_bulk_load();
    for (int i = first; i < first + 100; ++i) {
      ASSERT_OK(one.add(as_bytes(std::to_string(i)), as_bytes(std::string(100, 'v'))));
    }
    if (!is_committed) return;
    ASSERT_OK(one.commit());
  };
  ASSERT_OK(store.begin_bulk_load().commit());  // Of nothing.
  load(100, false);
  EXPECT_EQ(stats_of(store).loads, 0U);
  EXPECT_EQ(stats_of(store).write_amplification(), 0);
  load(100, true);
  load(200, true);
  const StoreStats loaded = stats_of(store);
  EXPECT_EQ(loaded.loads, 2U);
  EXPECT_EQ(loaded.loaded_bytes, loaded.keyspaces[0].table_bytes());
  EXPECT_EQ(loaded.loaded_raw_bytes, 200U * 103);
  EXPECT_EQ(loaded.written_bytes, 0U);
  // What is loaded is written once, without the log.
  EXPECT_DOUBLE_EQ(loaded.write_amplification(),
                   static_cast<double>(loaded.loaded_bytes) / (200 * 103));
  fill(store, 100);
  ASSERT_OK(store.flush());
  const StoreStats both = stats_of(store);
  EXPECT_EQ(both.loaded_bytes, loaded.loaded_bytes);
  EXPECT_DOUBLE_EQ(
      both.write_amplification(),
      static_cast<double>(both.written_bytes + both.flushed_bytes + both.loaded_bytes) /
          static_cast<double>(both.written_bytes + 200 * 103));
  EXPECT_THAT(store.metrics(), HasSubstr("nacre_store_loads_total 2\n"));
  EXPECT_THAT(store.metrics(), HasSubstr("nacre_store_loaded_raw_bytes_total 20600\n"));
}

TEST_F(StoreStatsTest, TellsTheAgeOfTheOldestSnapshot) {
  ASSERT_OK_AND_ASSIGN(Store store, open());
  EXPECT_EQ(stats_of(store).snapshots, 0U);
  fill(store, 1);
  {
    auto first = std::make_unique<Snapshot>(store.snapshot());
    clock_.advance_ns(1000);
    const Snapshot same = store.snapshot();
    fill(store, 5);
    clock_.advance_ns(500);
    const Snapshot later = store.snapshot();
    const StoreStats stats = stats_of(store);
    EXPECT_EQ(stats.snapshots, 3U);
    EXPECT_EQ(stats.oldest_snapshot_lsns, 5U);
    EXPECT_EQ(stats.oldest_snapshot_ns, 1500U);
    first.reset();  // What it saw is still held, by the other of the same moment.
    EXPECT_EQ(stats_of(store).snapshots, 2U);
    EXPECT_EQ(stats_of(store).oldest_snapshot_ns, 1500U);
  }
  {
    const Transaction transaction = store.begin();
    EXPECT_EQ(stats_of(store).snapshots, 1U);
    EXPECT_EQ(stats_of(store).oldest_snapshot_ns, 0U);
  }
  EXPECT_EQ(stats_of(store).snapshots, 0U);
}

TEST_F(StoreStatsTest, CountsTheSegmentsOfTheLog) {
  ASSERT_OK_AND_ASSIGN(Store store, open());
  fill(store, 1);
  const StoreStats before = stats_of(store);
  EXPECT_EQ(before.log_segments, 2U);  // The manifest's, and one for writes.
  EXPECT_EQ(before.log_bytes, before.log_segments * (std::uint64_t{256} << 10));
  fill(store, 3000);
  EXPECT_GT(stats_of(store).log_segments, before.log_segments);
}

TEST_F(StoreStatsTest, EstimatesTheSizeOfARange) {
  ASSERT_OK_AND_ASSIGN(Store store, open());
  fill(store, 3000);
  const auto size = [&](std::string_view begin, std::string_view end) {
    return store.approximate_size(as_bytes(begin), as_bytes(end)).value();
  };
  EXPECT_EQ(size("0", "9"), 0U);  // Not in tables yet.
  ASSERT_OK(store.flush());
  const std::uint64_t all = stats_of(store).keyspaces[0].table_bytes();
  EXPECT_EQ(size("0", "9"), all);
  EXPECT_EQ(size("9", "0"), 0U);
  EXPECT_EQ(size("5", "9"), 0U);
  const std::uint64_t entry = 8 + 100 + 20;  // With the header of an entry.
  EXPECT_NEAR(static_cast<double>(size("00001000", "00002000")), 1000.0 * entry, 100.0 * entry);
  EXPECT_EQ(size("", "00000500") + size("00000500", "9"), size("", "00002999") + entry);
}

TEST_F(StoreStatsTest, ErrorsOfApproximateSizes) {
  ASSERT_OK_AND_ASSIGN(Store store, open());
  ASSERT_OK_AND_ASSIGN(const Keyspace gone, store.create_keyspace("gone"));
  ASSERT_OK(store.drop_keyspace(gone));
  EXPECT_THAT(store.approximate_size(gone, {}, as_bytes("z")), has_code(ErrorCode::kNotFound));
  fill(store, 100);
  ASSERT_OK(store.flush());
  ASSERT_OK(store.close());
  EXPECT_THAT(store.approximate_size({}, as_bytes("z")), has_code(ErrorCode::kClosed));
  EXPECT_THAT(store.stats(), has_code(ErrorCode::kClosed));
  EXPECT_EQ(store.metrics(), "");

  const auto table = path() / "tables" / store::table_file_name({1});
  test::flip_bit(table, store::kTableDataOffset + 100);
  ASSERT_OK_AND_ASSIGN(Store damaged, open());
  const auto size = damaged.approximate_size(as_bytes("00000010"), as_bytes("00000020"));
  ASSERT_THAT(size, has_code(ErrorCode::kCorruption));
  EXPECT_EQ(size.error().path(), table.string());
}

// One get of 256 is counted, whichever.
TEST_F(StoreStatsTest, SamplesHowManyTablesGetsLookInto) {
  ASSERT_OK_AND_ASSIGN(Store store, open());
  const auto get = [&](std::string_view key, int samples) {
    for (int i = 0; i < 256 * samples; ++i) ASSERT_OK(store.get(as_bytes(key)));
  };
  get("00000000", 1);
  EXPECT_EQ(stats_of(store).sampled_gets, 1U);
  EXPECT_EQ(stats_of(store).sampled_tables, 0U) << "there are none";
  for (int table = 0; table < 3; ++table) {
    fill(store, table == 0 ? 100 : 50);
    ASSERT_OK(store.flush());
  }
  get("00000099", 1);  // In the oldest alone: three.
  get("00000000", 2);  // In the newest: one each.
  get("none", 4);      // Three each.
  StoreStats stats = stats_of(store);
  EXPECT_EQ(stats.sampled_gets, 8U);
  EXPECT_EQ(stats.sampled_tables, 3U + 2 + 12);
  EXPECT_DOUBLE_EQ(stats.mean_tables_per_get(), 17.0 / 8);
  fill(store, 1);
  get("00000000", 1);
  EXPECT_EQ(stats_of(store).sampled_tables, 17U) << "a memtable has it";
  ASSERT_OK(store.compact());
  get("00000099", 3);
  EXPECT_EQ(stats_of(store).sampled_tables, 20U);
  EXPECT_EQ(stats_of(store).sampled_gets, 12U);
}

TEST_F(StoreStatsTest, MetricsTellTheSame) {
  ASSERT_OK_AND_ASSIGN(Store store, open());
  fill(store, 10);
  ASSERT_OK(store.flush());
  const std::string text = store.metrics();
  EXPECT_THAT(text, HasSubstr("nacre_level_tables{keyspace=\"default\",level=\"0\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("nacre_store_flushes_total 1\n"));
  EXPECT_THAT(text, HasSubstr("nacre_store_written_bytes_total 1240\n"));
  EXPECT_THAT(text, HasSubstr("nacre_store_memory_bytes{part=\"builders\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("nacre_store_tables_per_get 1\n"));
  EXPECT_THAT(text, HasSubstr("nacre_store_write_amplification_ratio "));
  EXPECT_THAT(text, HasSubstr("nacre_domain_info"));
}

}  // namespace
}  // namespace nacre
