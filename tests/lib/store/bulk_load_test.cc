// BulkLoad: sorted pairs that become part of the store at one moment.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "lib/base/try.h"
#include "lib/store/bulk_load.h"
#include "lib/store/store_core.h"
#include "tests/lib/store/store_fault_fixture.h"
#include "tests/lib/store/store_model.h"
#include "tests/support/file_bytes.h"

namespace nacre {
namespace {

using test::has_code;
using test::LogPlace;
using testing::HasSubstr;
using Model = std::map<std::string, std::string>;

std::string key_of(int i) { return "key " + std::to_string(100000 + i); }

Model pairs(int begin, int end, const std::string& value) {
  Model all;
  for (int i = begin; i < end; ++i) all[key_of(i)] = value;
  return all;
}

template <class Load>
Status add_all(Load& load, const Model& content) {
  for (const auto& [key, value] : content) NACRE_TRY(load.add(as_bytes(key), as_bytes(value)));
  return {};
}

Status load(Store& store, const Model& content) {
  BulkLoad load = store.begin_bulk_load();
  NACRE_TRY(add_all(load, content));
  return load.commit();
}

Model over(Model below, const Model& above) {
  for (const auto& [key, value] : above) below[key] = value;
  return below;
}

class BulkLoadTest : public test::StoreFaultFixture {
 protected:
  void SetUp() override { open(); }
  Status put_all(const Model& content) {
    for (const auto& [key, value] : content) {
      NACRE_TRY(store_->put(as_bytes(key), as_bytes(value)));
    }
    return {};
  }
  std::size_t tables() { return table_files(); }
};

TEST_P(BulkLoadTest, IsSeenWhenItIsCommittedAndStays) {
  BulkLoad load = store_->begin_bulk_load();
  const Model loaded = pairs(0, 1000, "loaded");
  ASSERT_OK(add_all(load, loaded));
  EXPECT_EQ(content(), Model{});
  ASSERT_OK(load.commit());
  EXPECT_EQ(content(), loaded);
  EXPECT_THAT(load.add(as_bytes("z"), {}), has_code(ErrorCode::kClosed));
  EXPECT_THAT(load.commit(), has_code(ErrorCode::kClosed));
  for (int life = 0; life < 2; ++life) {
    reopen();
    EXPECT_EQ(store_->recovery().orphans_removed, 0U);
    EXPECT_EQ(store_->recovery().replayed_writes, 0U);
    EXPECT_EQ(content(), loaded);
    ASSERT_OK_AND_ASSIGN(const auto found, store_->get(as_bytes(key_of(7))));
    ASSERT_TRUE(found.has_value());
    EXPECT_EQ(found->text(), "loaded");
  }
}

TEST_P(BulkLoadTest, TakesThePlaceOfWhatWasWrittenBeforeWhereverThatIs) {
  // In the lowest level, in level 0, in a memtable.
  ASSERT_OK(put_all(pairs(0, 100, "lowest")));
  ASSERT_OK(store_->flush());
  ASSERT_OK(store_->compact());
  ASSERT_OK(put_all(pairs(20, 60, "flushed")));
  ASSERT_OK(store_->flush());
  ASSERT_OK(put_all(pairs(40, 80, "memtable")));
  const Model before =
      over(over(pairs(0, 100, "lowest"), pairs(20, 60, "flushed")), pairs(40, 80, "memtable"));
  const Snapshot snapshot = store_->snapshot();
  StoreIterator iterator = store_->iterate();
  ASSERT_OK(load(*store_, pairs(10, 70, "loaded")));
  const Model after = over(before, pairs(10, 70, "loaded"));
  EXPECT_EQ(content(), after);
  EXPECT_EQ(content({.snapshot = &snapshot}), before);
  iterator.seek(as_bytes(key_of(50)));
  ASSERT_TRUE(iterator.valid());
  EXPECT_EQ(as_text(iterator.value()), "memtable");

  // What is written now takes its place, in a memtable, flushed and merged.
  ASSERT_OK(put_all(pairs(30, 50, "later")));
  const Model last = over(after, pairs(30, 50, "later"));
  EXPECT_EQ(content(), last);
  ASSERT_OK(store_->flush());
  EXPECT_EQ(content(), last);
  EXPECT_EQ(content({.snapshot = &snapshot}), before);
  ASSERT_OK(store_->compact());
  EXPECT_EQ(content(), last);
  EXPECT_EQ(content({.snapshot = &snapshot}), before);
}

// The removal was older than the load, and the operand newer; in one memtable, which is flushed as
// if there were nothing between, they made a value out of the operand alone.
TEST_P(BulkLoadTest, AnOlderRemovalOfItsRangeDoesNotHideItFromOperands) {
  ASSERT_OK_AND_ASSIGN(const Keyspace merged,
                       store_->create_keyspace("merged", {.merge = test::append()}));
  ASSERT_OK(store_->remove_range(merged, as_bytes("a"), as_bytes("c")));
  BulkLoad load = store_->begin_bulk_load(merged);
  ASSERT_OK(load.add(as_bytes("b"), as_bytes("loaded, ")));
  ASSERT_OK(load.commit());
  ASSERT_OK(store_->merge(merged, as_bytes("b"), as_bytes("appended")));
  ASSERT_OK(store_->flush());
  ASSERT_OK_AND_ASSIGN(const auto found, store_->get(merged, as_bytes("b")));
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->text(), "loaded, appended");
}

TEST_P(BulkLoadTest, OrderHoldsAcrossAReopeningBeforeAnythingWasWritten) {
  ASSERT_OK(put_all(pairs(0, 10, "before")));
  ASSERT_OK(load(*store_, pairs(5, 15, "loaded")));
  reopen();
  Model expected = over(pairs(0, 10, "before"), pairs(5, 15, "loaded"));
  EXPECT_EQ(content(), expected);
  ASSERT_OK(put_all(pairs(14, 16, "after")));
  expected = over(expected, pairs(14, 16, "after"));
  EXPECT_EQ(content(), expected);
  ASSERT_OK(store_->flush());
  reopen();
  EXPECT_EQ(content(), expected);
}

// What the log held of other keys was older than the load when it was flushed behind it.
TEST_P(BulkLoadTest, LeavesMemtablesAloneThatHoldNoneOfItsKeys) {
  ASSERT_OK(put_all(pairs(0, 10, "before")));
  ASSERT_OK(load(*store_, pairs(10, 20, "loaded")));
  EXPECT_EQ(tables(), 1U);
  ASSERT_OK(put_all(pairs(15, 25, "after")));
  const Model expected =
      over(over(pairs(0, 10, "before"), pairs(10, 20, "loaded")), pairs(15, 25, "after"));
  EXPECT_EQ(content(), expected);
  reopen();
  EXPECT_EQ(content(), expected);
  ASSERT_OK(store_->flush());
  EXPECT_EQ(content(), expected);
  ASSERT_OK(store_->compact());
  EXPECT_EQ(content(), expected);
  reopen();
  EXPECT_EQ(content(), expected);
}

TEST_P(BulkLoadTest, RefusesWhatIsOutOfOrderAndGoesOn) {
  BulkLoad load = store_->begin_bulk_load();
  ASSERT_OK(load.add(as_bytes("b"), as_bytes("1")));
  const Status before = load.add(as_bytes("a"), as_bytes("2"));
  ASSERT_THAT(before, has_code(ErrorCode::kInvalidArgument));
  EXPECT_THAT(before.error().message(), HasSubstr("pair 2 of the load has the key \"a\""));
  EXPECT_THAT(before.error().message(), HasSubstr("\"b\""));
  const Status same = load.add(as_bytes("b"), as_bytes("3"));
  ASSERT_THAT(same, has_code(ErrorCode::kInvalidArgument));
  EXPECT_THAT(same.error().message(), HasSubstr("is the same as"));
  const std::string unprintable("b\0\n", 3);
  ASSERT_OK(load.add(as_bytes(unprintable), as_bytes("4")));
  const Status shown = load.add(as_bytes(unprintable), as_bytes("5"));
  EXPECT_THAT(shown.error().message(), HasSubstr("pair 3 of the load has the key hex 62000a"));
  const std::string large(kMaxKeyBytes + 1, 'z');
  EXPECT_THAT(load.add(as_bytes(large), {}), has_code(ErrorCode::kInvalidArgument));
  ASSERT_OK(load.commit());
  EXPECT_EQ(content(), (Model{{"b", "1"}, {unprintable, "4"}}));
}

TEST_P(BulkLoadTest, LeavesNothingWhereItIsDroppedOrHoldsNothing) {
  {
    BulkLoad dropped = store_->begin_bulk_load();
    ASSERT_OK(add_all(dropped, pairs(0, 10, "dropped")));
  }
  EXPECT_EQ(tables(), 0U);
  BulkLoad empty = store_->begin_bulk_load();
  ASSERT_OK(empty.commit());
  EXPECT_EQ(tables(), 0U);
  EXPECT_EQ(content(), Model{});
}

TEST_P(BulkLoadTest, OfADroppedKeyspaceOrAClosedStoreIsRefused) {
  ASSERT_OK_AND_ASSIGN(const Keyspace other, store_->create_keyspace("other"));
  BulkLoad before = store_->begin_bulk_load(other);
  BulkLoad beside = store_->begin_bulk_load(other);
  ASSERT_OK(before.add(as_bytes("a"), as_bytes("1")));
  ASSERT_OK(beside.add(as_bytes("a"), as_bytes("1")));
  ASSERT_OK(store_->drop_keyspace(other));
  EXPECT_THAT(before.commit(), has_code(ErrorCode::kNotFound));
  EXPECT_THAT(beside.add(as_bytes("b"), {}), has_code(ErrorCode::kNotFound));
  EXPECT_EQ(tables(), 0U);

  BulkLoad late = store_->begin_bulk_load();
  BulkLoad later = store_->begin_bulk_load();
  ASSERT_OK(late.add(as_bytes("a"), as_bytes("1")));
  ASSERT_OK(store_->close());
  EXPECT_THAT(late.commit(), has_code(ErrorCode::kClosed));
  EXPECT_THAT(later.add(as_bytes("a"), {}), has_code(ErrorCode::kClosed));
  EXPECT_EQ(tables(), 0U);
}

TEST_P(BulkLoadTest, WithoutRoomNothingIsLeftOfIt) {
  ASSERT_OK(put_some(3));
  ASSERT_OK(store_->flush());
  ASSERT_OK(put("key 100005"));
  const std::size_t tables_before = tables();
  // In the middle of a table; at its end; in the manifest.
  for (const std::uint64_t room : {0U, 3000U, 9000U, 40'000U}) {
    BulkLoad load = store_->begin_bulk_load();
    files_.set_free_bytes(room);
    Status done;
    for (int i = 0; i < 400 && done; ++i) {
      done = load.add(as_bytes(key_of(i)), as_bytes(std::string(3000, 'l')));
    }
    if (done) done = load.commit();
    EXPECT_THAT(done, has_code(ErrorCode::kNoSpace)) << room;
    EXPECT_THAT(load.commit(), has_code(ErrorCode::kNoSpace)) << room;
    EXPECT_EQ(tables(), tables_before) << room;
    expect_all_there();
    files_.set_free_bytes(std::nullopt);
  }
  ASSERT_OK(put_some(3));
  reopen();
  EXPECT_EQ(store_->recovery().orphans_removed, 0U);
  expect_all_there();
}

TEST_P(BulkLoadTest, WhateverFailsEitherHappensOrNot) {
  const Model loaded = pairs(0, 50, "loaded");
  int failures = 0;
  for (const FileOperation operation :
       {FileOperation::kCreate, FileOperation::kWrite, FileOperation::kSync, FileOperation::kRename,
        FileOperation::kSyncDirectory, FileOperation::kOpen, FileOperation::kStat}) {
    for (std::uint64_t nth = 1;; ++nth) {
      const Model before = content();
      const std::string value = std::to_string(failures);
      const std::size_t fault = plan().add(
          {.operation = operation, .sys_errno = EIO, .path_contains = "tables", .nth = nth});
      const Status done = load(*store_, pairs(0, 50, value));
      const bool struck = plan().hits(fault) > 0;
      plan().clear();
      ASSERT_TRUE(done || struck) << done.error().to_string();
      failures += done ? 0 : 1;
      const Model after = over(before, pairs(0, 50, value));
      EXPECT_EQ(content(), done ? after : before);
      reopen();
      ASSERT_EQ(content(), done ? after : before);
      if (!struck) break;
    }
  }
  EXPECT_GE(failures, 6);
}

TEST_P(BulkLoadTest, ATransactionThatReadWhatWasLoadedIsRefused) {
  ASSERT_OK(store_->put(as_bytes(key_of(3)), as_bytes("old")));
  Transaction transaction = store_->begin();
  ASSERT_OK(transaction.get(as_bytes(key_of(3))));
  transaction.put(as_bytes("result"), as_bytes("of the old one"));
  ASSERT_OK(load(*store_, pairs(0, 5, "loaded")));
  EXPECT_THAT(transaction.commit(), has_code(ErrorCode::kBusy));
}

TEST_P(BulkLoadTest, ACheckpointHoldsItAndItsLaterWritesWin) {
  ASSERT_OK(load(*store_, pairs(0, 10, "loaded")));
  const auto copy_path = directory_->path() / "copy";
  ASSERT_OK(store_->checkpoint(copy_path));
  StoreOptions copy_options = options();
  copy_options.environment = {};
  ASSERT_OK_AND_ASSIGN(Store copy, Store::open(copy_path, copy_options));
  ASSERT_OK(copy.put(as_bytes(key_of(3)), as_bytes("of the copy")));
  ASSERT_OK_AND_ASSIGN(const auto in_memtable, copy.get(as_bytes(key_of(3))));
  EXPECT_EQ(in_memtable->text(), "of the copy");
  ASSERT_OK(copy.flush());
  ASSERT_OK(copy.compact());
  ASSERT_OK_AND_ASSIGN(const auto merged, copy.get(as_bytes(key_of(3))));
  EXPECT_EQ(merged->text(), "of the copy");
}

TEST_P(BulkLoadTest, ARepairedStoreHoldsItInItsPlace) {
  ASSERT_OK(put_all(pairs(0, 10, "before")));
  ASSERT_OK(load(*store_, pairs(5, 15, "loaded")));
  ASSERT_OK(put_all(pairs(8, 9, "after")));
  const Model expected = content();
  ASSERT_OK(store_->close());
  StoreOptions copy_options = options();
  copy_options.environment = {};
  const auto saved = directory_->path() / "saved";
  ASSERT_OK(Store::repair(path(), saved, copy_options));
  ASSERT_OK_AND_ASSIGN(Store copy, Store::open(saved, copy_options));
  Model found;
  StoreIterator at = copy.iterate();
  for (at.seek_first(); at.valid(); at.next())
    found.emplace(as_text(at.key()), as_text(at.value()));
  ASSERT_OK(at.status());
  EXPECT_EQ(found, expected);
}

INSTANTIATE_TEST_SUITE_P(Domains, BulkLoadTest,
                         testing::Values(LogPlace::kBlock, LogPlace::kEmulatedInMemory),
                         test::place_name);

StoreOptions small_options(LogPlace place) {
  return {.memtable_bytes = std::uint64_t{1} << 20,
          .write_lanes = 2,
          .segment_bytes = std::uint64_t{256} << 10,
          .domain = test::domain_of(place)};
}

class BulkLoadTablesTest : public testing::Test {
 protected:
  /// In tables of a few pairs each.
  static Status load(store::StoreCore& store, const Model& content) {
    const auto load = std::make_unique<store::BulkLoadCore>(store, store.default_keyspace(),
                                                            /*table_bytes=*/1000);
    NACRE_TRY(add_all(*load, content));
    return load->commit();
  }
  static std::map<std::uint32_t, std::uint64_t> tables_by_level(store::StoreCore& store) {
    std::map<std::uint32_t, std::uint64_t> tables;
    const StoreStats stats = store.stats().value();
    for (const LevelStats& level : stats.keyspaces.at(0).levels) {
      tables[level.level] = level.tables;
    }
    return tables;
  }
  Result<std::unique_ptr<store::StoreCore>> open() {
    return store::StoreCore::open(directory_->path() / "store",
                                  small_options(LogPlace::kEmulatedInMemory));
  }
  std::unique_ptr<test::TempDirectory> directory_ =
      test::directory_for(LogPlace::kEmulatedInMemory);
};

TEST_F(BulkLoadTablesTest, LieAsLowAsNothingOverlaps) {
  ASSERT_OK_AND_ASSIGN(auto store, open());
  ASSERT_OK(load(*store, pairs(0, 100, std::string(100, 'a'))));
  const auto first = tables_by_level(*store);
  ASSERT_EQ(first.size(), 1U);
  EXPECT_GE(first.at(1), 10U);
  // Beside it; and over it.
  ASSERT_OK(load(*store, pairs(100, 110, "b")));
  EXPECT_EQ(tables_by_level(*store).at(1), first.at(1) + 1);
  ASSERT_OK(load(*store, pairs(50, 52, "c")));
  EXPECT_EQ(tables_by_level(*store).at(0), 1U);
  const Model expected =
      over(over(pairs(0, 100, std::string(100, 'a')), pairs(100, 110, "b")), pairs(50, 52, "c"));
  for (int life = 0; life < 2; ++life) {
    for (const auto& [key, value] : expected) {
      ASSERT_OK_AND_ASSIGN(const auto found,
                           store->get(store->default_keyspace(), as_bytes(key), store::kNewest));
      ASSERT_TRUE(found.has_value()) << key;
      ASSERT_EQ(found->text(), value) << key;
    }
    ASSERT_OK(store->close());
    ASSERT_OK_AND_ASSIGN(store, open());
  }
}

class BulkLoadThreadsTest : public testing::TestWithParam<LogPlace> {};

/// Of one read of all keys: which load they are of, where no writer has been.
std::optional<int> load_in(const Model& found) {
  std::optional<int> load;
  for (const auto& [key, value] : found) {
    if (value[0] != 'L') continue;
    const int number = std::stoi(value.substr(1));
    EXPECT_TRUE(!load || *load == number) << "some of a load, and some of another";
    load = number;
  }
  return load;
}

// Loads over the very keys that a writer puts, so that every one of them finds memtables in its
// way.
TEST_P(BulkLoadThreadsTest, AreAtomicAndInOrderBesideWritersAndSnapshots) {
  constexpr int kKeys = 60;
  const int rounds = GetParam() == LogPlace::kBlock ? 15 : 60;
  const auto directory = test::directory_for(GetParam());
  ASSERT_OK_AND_ASSIGN(Store store,
                       Store::open(directory->path() / "store", small_options(GetParam())));
  const auto read = [&](const Snapshot* snapshot) {
    Model all;
    StoreIterator at = store.iterate({.snapshot = snapshot});
    for (at.seek_first(); at.valid(); at.next()) {
      all.emplace(as_text(at.key()), as_text(at.value()));
    }
    EXPECT_OK(at.status());
    return all;
  };
  ASSERT_OK(load(store, pairs(0, kKeys, "L0")));
  std::atomic<int> committed{0};
  std::atomic<bool> over{false};
  // Each key of the writer's shows what was put last, or something newer that was loaded.
  std::thread writer([&] {
    for (int i = 1; !over; ++i) {
      const int loaded = committed;
      WriteBatch batch;
      for (const int key : {10, 30, 50}) {
        batch.put(as_bytes(key_of(key)), as_bytes("W" + std::to_string(i)));
      }
      ASSERT_OK(store.write(batch));
      const Snapshot snapshot = store.snapshot();
      for (const Snapshot* at : {static_cast<const Snapshot*>(nullptr), &snapshot}) {
        const auto value = store.get(as_bytes(key_of(30)), {.snapshot = at});
        ASSERT_OK(value);
        const std::string found = (*value)->to_string();
        if (found[0] == 'W') {
          ASSERT_EQ(found, "W" + std::to_string(i));
        } else {
          // A load that had been committed before the put must not cover it.
          ASSERT_GT(std::stoi(found.substr(1)), loaded);
        }
      }
    }
  });
  std::thread reader([&] {
    int last = 0;
    while (!over) {
      const int at_least = committed;
      const Snapshot snapshot = store.snapshot();
      const Model first = read(&snapshot);
      ASSERT_EQ(first.size(), static_cast<std::size_t>(kKeys));
      ASSERT_EQ(first.at(key_of(10)), first.at(key_of(30)));
      const std::optional<int> loaded = load_in(first);
      ASSERT_TRUE(loaded.has_value());
      ASSERT_GE(*loaded, at_least);
      ASSERT_GE(*loaded, last);
      last = *loaded;
      for (int i = 0; i < 3; ++i) ASSERT_EQ(read(&snapshot), first);
      // Without a snapshot, too, it is of one moment.
      const Model now = read(nullptr);
      ASSERT_GE(*load_in(now), last);
      ASSERT_EQ(now.at(key_of(10)), now.at(key_of(30)));
    }
  });
  for (int i = 1; i <= rounds; ++i) {
    ASSERT_OK(load(store, pairs(0, kKeys, "L" + std::to_string(i))));
    committed = i;
    if (i % 7 == 0) {
      ASSERT_OK(store.compact());
    }
    const Model found = read(nullptr);
    EXPECT_EQ(*load_in(found), i);
  }
  over = true;
  writer.join();
  reader.join();
}

INSTANTIATE_TEST_SUITE_P(Domains, BulkLoadThreadsTest,
                         testing::Values(LogPlace::kBlock, LogPlace::kEmulatedInMemory),
                         test::place_name);

}  // namespace
}  // namespace nacre
