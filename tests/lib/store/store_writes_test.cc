// Writes beyond put and remove: what they refuse, and their corners. What they do in general,
// store_model_test.cc compares with a model.

#include <gtest/gtest.h>

#include <limits>
#include <optional>
#include <string>
#include <utility>

#include "nacre/store.h"
#include "nacre/store_view.h"
#include "tests/lib/store/store_model.h"
#include "tests/support/result_matchers.h"
#include "tests/wal/wal_domain.h"

namespace nacre {
namespace {

using test::has_code;
using test::LogPlace;

class StoreWritesTest : public testing::TestWithParam<LogPlace> {
 protected:
  StoreOptions options() {
    StoreOptions options;
    options.write_lanes = 2;
    options.domain = test::domain_of(GetParam());
    options.environment.clock = &clock_;
    return options;
  }
  std::filesystem::path path() const { return directory_->path() / "store"; }
  static std::string get(const Store& store, std::string_view key) {
    const auto found = store.get(as_bytes(key));
    if (!found) return found.error().to_string();
    return found->has_value() ? (*found)->to_string() : "none";
  }

  std::unique_ptr<test::TempDirectory> directory_ = test::directory_for(GetParam());
  test::WallClock clock_;
};

TEST_P(StoreWritesTest, AValueIsGoneWhenItsTimeIsOver) {
  ASSERT_OK_AND_ASSIGN(Store store, Store::open(path(), options()));
  const PutOptions second{.ttl_ms = 1000};
  const PutOptions forever{.ttl_ms = std::numeric_limits<std::uint64_t>::max()};
  const std::string largest(kMaxValueBytes, 'v');
  ASSERT_OK(store.put(as_bytes("a"), as_bytes("1"), second));
  ASSERT_OK(store.put(as_bytes("b"), as_bytes("1"), forever));
  ASSERT_OK(store.put(as_bytes("c"), as_bytes(largest), second));
  EXPECT_THAT(store.put(as_bytes("d"), as_bytes(largest + "v"), second),
              has_code(ErrorCode::kInvalidArgument));
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(get(store, "a"), "1");
    EXPECT_EQ(get(store, "c"), largest);
    ASSERT_OK(store.flush());
  }
  clock_.advance_ms(999);
  EXPECT_EQ(get(store, "a"), "1");
  clock_.advance_ms(1);
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(get(store, "a"), "none");
    EXPECT_EQ(get(store, "b"), "1");
    EXPECT_EQ(get(store, "c"), "none");
    ASSERT_OK(store.compact());
  }
}

// The time runs from when the batch is written, not from when it was put together.
TEST_P(StoreWritesTest, ABatchGivesTimeFromWhenItIsWritten) {
  ASSERT_OK_AND_ASSIGN(Store store, Store::open(path(), options()));
  WriteBatch batch;
  batch.put(as_bytes("a"), as_bytes("1"), {.ttl_ms = 1000});
  batch.put(as_bytes("b"), as_bytes("1"));
  for (int i = 0; i < 2; ++i) {
    clock_.advance_ms(5000);
    ASSERT_OK(store.write(batch));
    clock_.advance_ms(999);
    EXPECT_EQ(get(store, "a"), "1");
  }
  clock_.advance_ms(1);
  EXPECT_EQ(get(store, "a"), "none");
  EXPECT_EQ(get(store, "b"), "1");
}

TEST_P(StoreWritesTest, RefusesARangeThatDoesNotEndBehindItsBeginning) {
  ASSERT_OK_AND_ASSIGN(Store store, Store::open(path(), options()));
  ASSERT_OK_AND_ASSIGN(
      const Keyspace back,
      store.create_keyspace("back", {.comparator = Comparator::reverse_bytewise()}));
  EXPECT_THAT(store.remove_range(as_bytes("b"), as_bytes("a")),
              has_code(ErrorCode::kInvalidArgument));
  EXPECT_THAT(store.remove_range(as_bytes("a"), as_bytes("a")),
              has_code(ErrorCode::kInvalidArgument));
  EXPECT_THAT(store.remove_range(back, as_bytes("a"), as_bytes("b")),
              has_code(ErrorCode::kInvalidArgument));
  EXPECT_THAT(store.remove_range(as_bytes("a"), as_bytes(std::string(kMaxKeyBytes + 1, 'k'))),
              has_code(ErrorCode::kInvalidArgument));
  ASSERT_OK(store.remove_range(back, as_bytes("b"), as_bytes("a")));
  WriteBatch batch;
  batch.put(as_bytes("k"), {});
  batch.remove_range(as_bytes("b"), as_bytes("a"));
  EXPECT_THAT(store.write(batch), has_code(ErrorCode::kInvalidArgument));
  EXPECT_EQ(get(store, "k"), "none");
}

// So many that the memtables are sealed for them.
TEST_P(StoreWritesTest, TakesManyRangeRemovals) {
  const int removals = GetParam() == LogPlace::kBlock ? 300 : 2000;
  ASSERT_OK_AND_ASSIGN(Store store, Store::open(path(), options()));
  const auto key = [](int i) { return std::to_string(100000 + i); };
  for (int i = 0; i < removals; ++i) {
    ASSERT_OK(store.put(as_bytes(key(i)), as_bytes("value")));
    ASSERT_OK(store.put(as_bytes(key(i) + "/"), as_bytes("value")));
    ASSERT_OK(store.remove_range(as_bytes(key(i)), as_bytes(key(i) + "/")));
  }
  for (int round = 0; round < 2; ++round) {
    int found = 0;
    StoreIterator at = store.iterate();
    for (at.seek_first(); at.valid(); at.next(), ++found) {
      EXPECT_EQ(as_text(at.key()), key(found) + "/");
    }
    EXPECT_EQ(found, removals);
    ASSERT_OK(store.flush());
    ASSERT_OK(store.compact());
  }
}

TEST_P(StoreWritesTest, RefusesToMergeWithoutAnOperator) {
  ASSERT_OK_AND_ASSIGN(Store store, Store::open(path(), options()));
  EXPECT_THAT(store.merge(as_bytes("a"), as_bytes("1")), has_code(ErrorCode::kInvalidArgument));
  WriteBatch batch;
  batch.merge(as_bytes("a"), as_bytes("1"));
  EXPECT_THAT(store.write(batch), has_code(ErrorCode::kInvalidArgument));
}

TEST_P(StoreWritesTest, WantsTheMergeOperatorsAgainThatItHas) {
  StoreOptions with = options();
  with.merge = test::append();
  {
    ASSERT_OK_AND_ASSIGN(Store store, Store::open(path(), with));
    ASSERT_OK_AND_ASSIGN(const Keyspace other,
                         store.create_keyspace("other", {.merge = test::append()}));
    ASSERT_OK(store.merge(other, as_bytes("a"), as_bytes("1")));
    ASSERT_OK(store.merge(as_bytes("a"), as_bytes("2")));
  }
  StoreOptions without = with;
  without.merge.reset();
  without.merge_operators = {test::append()};
  EXPECT_THAT(Store::open(path(), without), has_code(ErrorCode::kInvalidArgument));
  EXPECT_THAT(Store::open(path(), with), has_code(ErrorCode::kInvalidArgument));
  with.merge_operators = {test::append()};
  ASSERT_OK_AND_ASSIGN(Store store, Store::open(path(), with));
  ASSERT_OK_AND_ASSIGN(const Keyspace other, store.keyspace("other"));
  ASSERT_OK(store.merge(other, as_bytes("a"), as_bytes("3")));
  ASSERT_OK_AND_ASSIGN(const auto merged, store.get(other, as_bytes("a")));
  ASSERT_TRUE(merged.has_value());
  EXPECT_EQ(merged->text(), "13");
  EXPECT_EQ(get(store, "a"), "2");
}

TEST_P(StoreWritesTest, RefusesAnOperatorThatTheStoreWasCreatedWithout) {
  {
    ASSERT_OK(Store::open(path(), options()));
  }
  StoreOptions with = options();
  with.merge = test::append();
  EXPECT_THAT(Store::open(path(), with), has_code(ErrorCode::kInvalidArgument));
}

TEST_P(StoreWritesTest, IsClosedToReadsAndWritesOnceItWasClosed) {
  ASSERT_OK_AND_ASSIGN(Store store, Store::open(path(), options()));
  ASSERT_OK(store.put(as_bytes("a"), as_bytes("1")));
  ASSERT_OK(store.close());
  const Bytes key = as_bytes("a");
  EXPECT_THAT(store.get(key), has_code(ErrorCode::kClosed));
  EXPECT_THAT(store.multi_get({&key, 1}), has_code(ErrorCode::kClosed));
  EXPECT_THAT(store.put(key, key), has_code(ErrorCode::kClosed));
  EXPECT_THAT(store.remove_range({}, key), has_code(ErrorCode::kClosed));
  StoreIterator at = store.iterate();
  at.seek_first();
  EXPECT_FALSE(at.valid());
  EXPECT_THAT(at.status(), has_code(ErrorCode::kClosed));
}

TEST(StoreDeathTest, AnIteratorOrAViewDoesNotOutliveItsStore) {
  const auto close_under = [](auto&& look) {
    test::TempDirectory directory = test::TempDirectory::on_tmpfs();
    Store store =
        Store::open(directory.path() / "store", {.domain = DomainRequest::kEmulated}).value();
    static_cast<void>(store.put({}, {}));
    const auto held = look(store);
    static_cast<void>(store.close());
  };
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(close_under([](Store& store) { return store.iterate(); }), "outlives its store");
  EXPECT_DEATH(close_under([](Store& store) { return store.get({}); }), "outlives its store");
}

// It freed what the store had freed before.
TEST(StoreDeathTest, ASnapshotOrATransactionDoesNotOutliveItsStore) {
  const auto end_under = [](auto&& look) {
    test::TempDirectory directory = test::TempDirectory::on_tmpfs();
    std::optional<Store> store =
        Store::open(directory.path() / "store", {.domain = DomainRequest::kEmulated}).value();
    const auto held = look(*store);
    store.reset();
  };
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(end_under([](Store& store) { return store.snapshot(); }), "outlives its store");
  EXPECT_DEATH(end_under([](Store& store) { return store.begin(); }), "outlives its store");
}

// They followed a null pointer.
TEST(StoreDeathTest, WhatWasMovedFromSaysSo) {
  const test::TempDirectory directory = test::TempDirectory::on_tmpfs();
  const StoreOptions options = {.domain = DomainRequest::kEmulated};
  ASSERT_OK_AND_ASSIGN(Store store, Store::open(directory.path() / "store", options));
  ASSERT_OK_AND_ASSIGN(StoreView view, StoreView::open(directory.path() / "store"));
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  // NOLINTBEGIN(bugprone-use-after-move)
  StoreIterator iterator = store.iterate();
  const StoreIterator other_iterator = std::move(iterator);
  EXPECT_DEATH(iterator.seek_first(), "this StoreIterator was moved from");
  Transaction transaction = store.begin();
  const Transaction other_transaction = std::move(transaction);
  EXPECT_DEATH(transaction.put({}, {}), "this Transaction was moved from");
  EXPECT_DEATH(static_cast<void>(transaction.commit()), "this Transaction was moved from");
  BulkLoad load = store.begin_bulk_load();
  const BulkLoad other_load = std::move(load);
  EXPECT_DEATH(static_cast<void>(load.add({}, {})), "this BulkLoad was moved from");
  const StoreView other_view = std::move(view);
  EXPECT_DEATH(static_cast<void>(view.get(Bytes())), "this StoreView was moved from");
  // NOLINTEND(bugprone-use-after-move)
}

INSTANTIATE_TEST_SUITE_P(Domains, StoreWritesTest,
                         testing::Values(LogPlace::kBlock, LogPlace::kEmulatedInMemory),
                         test::place_name);

}  // namespace
}  // namespace nacre
