#include "nacre/store.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "nacre/random.h"
#include "tests/support/result_matchers.h"
#include "tests/support/seed.h"
#include "tests/support/stray_store.h"
#include "tests/wal/wal_domain.h"

namespace nacre {
namespace {

using test::has_code;
using test::LogPlace;
using Model = std::map<std::string, std::string>;

class StoreTest : public testing::TestWithParam<LogPlace> {
 protected:
  StoreOptions options() const {
    StoreOptions options;
    options.memtable_bytes = std::uint64_t{1} << 20;
    options.write_lanes = 2;
    options.segment_bytes = std::uint64_t{256} << 10;
    options.domain = test::domain_of(GetParam());
    options.overwrite_protection = test::is_protected(GetParam());
    return options;
  }
  /// Every write waits for the device there.
  int fewer_on_a_disk(int writes) const {
    return GetParam() == LogPlace::kBlock ? writes / 10 : writes;
  }
  std::filesystem::path path() const { return directory_->path() / "store"; }

  static std::optional<std::string> value_of(const Store& store, std::string_view key,
                                             const ReadOptions& options = {}) {
    const auto found = store.get(as_bytes(key), options);
    EXPECT_TRUE(test::is_ok(found));
    if (!found || !found->has_value()) return {};
    return (*found)->to_string();
  }

  static Model content(StoreIterator iterator) {
    Model all;
    for (iterator.seek_first(); iterator.valid(); iterator.next()) {
      all.emplace(as_text(iterator.key()), as_text(iterator.value()));
    }
    EXPECT_TRUE(test::is_ok(iterator.status()));
    return all;
  }

  std::unique_ptr<test::TempDirectory> directory_ = test::directory_for(GetParam());
};

TEST_P(StoreTest, ReadsBackWhatWasPutAlsoAfterReopening) {
  Model model;
  for (int life = 0; life < 3; ++life) {
    ASSERT_OK_AND_ASSIGN(Store store, Store::open(path(), options()));
    EXPECT_EQ(content(store.iterate()), model);
    for (int i = 0; i < 100; ++i) {
      const std::string key = "key" + std::to_string((life * 50) + i);
      const std::string value = "value" + std::to_string(life);
      ASSERT_OK(store.put(as_bytes(key), as_bytes(value)));
      model[key] = value;
      EXPECT_EQ(value_of(store, key), value);
    }
    ASSERT_OK(store.remove(as_bytes("key7")));
    model.erase("key7");
    EXPECT_EQ(value_of(store, "key7"), std::nullopt);
    EXPECT_EQ(content(store.iterate()), model);
    ASSERT_OK(store.close());
  }
}

TEST_P(StoreTest, TakesEmptyKeysAndValuesAndTheLargest) {
  StoreOptions large = options();
  large.segment_bytes = std::uint64_t{32} << 20;
  large.memtable_bytes = std::uint64_t{64} << 20;
  const std::string longest_key(kMaxKeyBytes, 'k');
  const std::string largest(kMaxValueBytes, 'v');
  {
    ASSERT_OK_AND_ASSIGN(Store store, Store::open(path(), large));
    ASSERT_OK(store.put({}, as_bytes("empty key")));
    ASSERT_OK(store.put(as_bytes("empty value"), {}));
    ASSERT_OK(store.put(as_bytes(longest_key), as_bytes(largest)));
    EXPECT_THAT(store.put(as_bytes(longest_key + "k"), {}), has_code(ErrorCode::kInvalidArgument));
    EXPECT_THAT(store.put(as_bytes("key"), as_bytes(largest + "v")),
                has_code(ErrorCode::kInvalidArgument));
  }
  ASSERT_OK_AND_ASSIGN(Store store, Store::open(path(), large));
  const Model expected = {{"", "empty key"}, {"empty value", ""}, {longest_key, largest}};
  EXPECT_EQ(content(store.iterate()), expected);
  ASSERT_OK(store.flush());
  EXPECT_EQ(content(store.iterate()), expected);
  EXPECT_EQ(value_of(store, ""), "empty key");
  EXPECT_EQ(value_of(store, longest_key), largest);
}

TEST_P(StoreTest, ReadsFromTablesWhatWasFlushed) {
  Model model;
  {
    ASSERT_OK_AND_ASSIGN(Store store, Store::open(path(), options()));
    for (int round = 0; round < 3; ++round) {
      for (int i = 0; i < fewer_on_a_disk(1000); ++i) {
        const std::string key = std::to_string((i * 7 + round * 1000) % 2500);
        if (i % 10 == 3) {
          ASSERT_OK(store.remove(as_bytes(key)));
          model.erase(key);
        } else {
          model[key] = std::to_string(round) + ":" + std::to_string(i);
          ASSERT_OK(store.put(as_bytes(key), as_bytes(model[key])));
        }
      }
      ASSERT_OK(store.flush());
      EXPECT_EQ(content(store.iterate()), model);
      for (int i = 0; i < 2500; i += 11) {
        const std::string key = std::to_string(i);
        const auto found = model.find(key);
        const auto value = value_of(store, key);
        EXPECT_EQ(value, found == model.end() ? std::nullopt : std::optional(found->second)) << key;
      }
    }
  }
  ASSERT_OK_AND_ASSIGN(Store store, Store::open(path(), options()));
  EXPECT_EQ(store.recovery().tables, 3U);
  EXPECT_EQ(store.recovery().replayed_writes, 0U);
  EXPECT_EQ(content(store.iterate()), model);
}

TEST_P(StoreTest, AMergeKeepsWhatSomebodyCanSee) {
  StoreOptions small = options();
  Model model;
  Model then;
  ASSERT_OK_AND_ASSIGN(Store store, Store::open(path(), small));
  std::optional<Snapshot> snapshot;
  SeededRandom random(test::seed());
  for (int round = 0; round < 12; ++round) {
    for (int i = 0; i < fewer_on_a_disk(300); ++i) {
      const std::string key = std::to_string(uniform_below(random, 500));
      if (uniform_below(random, 4) == 0) {
        ASSERT_OK(store.remove(as_bytes(key)));
        model.erase(key);
      } else {
        model[key] = std::to_string(round) + "/" + std::to_string(i);
        ASSERT_OK(store.put(as_bytes(key), as_bytes(model[key])));
      }
    }
    ASSERT_OK(store.flush());
    if (round == 5) {
      snapshot = store.snapshot();
      then = model;
    }
    if (round % 4 == 3) {
      ASSERT_OK(store.compact());
    }
    ASSERT_EQ(content(store.iterate()), model);
    if (snapshot.has_value()) {
      ASSERT_EQ(content(store.iterate({.snapshot = &*snapshot})), then);
    }
  }
  snapshot.reset();
  ASSERT_OK(store.compact());
  for (int i = 0; i < 500; ++i) {
    const auto found = model.find(std::to_string(i));
    EXPECT_EQ(value_of(store, std::to_string(i)),
              found == model.end() ? std::nullopt : std::optional(found->second));
  }
  ASSERT_OK(store.close());
  ASSERT_OK_AND_ASSIGN(Store again, Store::open(path(), small));
  EXPECT_EQ(content(again.iterate()), model);
  EXPECT_EQ(again.recovery().orphans_removed, 0U);
}

TEST_P(StoreTest, ABatchIsWholeAndItsLaterWritesWin) {
  WriteBatch batch;
  batch.put(as_bytes("a"), as_bytes("1"));
  batch.put(as_bytes("b"), as_bytes("2"));
  batch.remove(as_bytes("a"));
  batch.put(as_bytes("c"), as_bytes("old"));
  batch.put(as_bytes("c"), as_bytes("new"));
  const Model expected = {{"b", "2"}, {"c", "new"}};
  for (int life = 0; life < 2; ++life) {
    ASSERT_OK_AND_ASSIGN(Store store, Store::open(path(), options()));
    if (life == 0) {
      EXPECT_THAT(store.write(WriteBatch()), has_code(ErrorCode::kInvalidArgument));
      ASSERT_OK(store.write(batch));
    }
    EXPECT_EQ(content(store.iterate()), expected);
    ASSERT_OK(store.flush());
    EXPECT_EQ(content(store.iterate()), expected);
  }
}

TEST_P(StoreTest, ASnapshotStaysAsItWas) {
  ASSERT_OK_AND_ASSIGN(Store store, Store::open(path(), options()));
  ASSERT_OK(store.put(as_bytes("a"), as_bytes("1")));
  ASSERT_OK(store.put(as_bytes("b"), as_bytes("1")));
  const Snapshot then = store.snapshot();
  StoreIterator old = store.iterate();
  ASSERT_OK(store.put(as_bytes("a"), as_bytes("2")));
  ASSERT_OK(store.remove(as_bytes("b")));
  ASSERT_OK(store.put(as_bytes("c"), as_bytes("2")));
  const Model before = {{"a", "1"}, {"b", "1"}};
  const Model after = {{"a", "2"}, {"c", "2"}};
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(content(store.iterate({.snapshot = &then})), before);
    EXPECT_EQ(value_of(store, "b", {.snapshot = &then}), "1");
    EXPECT_EQ(value_of(store, "c", {.snapshot = &then}), std::nullopt);
    EXPECT_EQ(content(store.iterate()), after);
    ASSERT_OK(store.flush());
  }
  EXPECT_EQ(content(std::move(old)), before);
}

TEST_P(StoreTest, KeyspacesAreApartAndABatchSpansThem) {
  Model reversed;
  {
    ASSERT_OK_AND_ASSIGN(Store store, Store::open(path(), options()));
    ASSERT_OK_AND_ASSIGN(
        const Keyspace back,
        store.create_keyspace("back", {.comparator = Comparator::reverse_bytewise()}));
    EXPECT_THAT(store.create_keyspace("back"), has_code(ErrorCode::kBusy));
    EXPECT_THAT(store.create_keyspace("a/b"), has_code(ErrorCode::kInvalidArgument));
    ASSERT_OK_AND_ASSIGN(const Keyspace gone, store.create_keyspace("gone"));
    WriteBatch batch;
    batch.put(as_bytes("k"), as_bytes("default"));
    batch.put(back, as_bytes("1"), as_bytes("one"));
    batch.put(back, as_bytes("2"), as_bytes("two"));
    batch.put(gone, as_bytes("k"), as_bytes("gone"));
    ASSERT_OK(store.write(batch));
    ASSERT_OK(store.drop_keyspace(gone));
    EXPECT_THAT(store.put(gone, as_bytes("k"), {}), has_code(ErrorCode::kNotFound));
    EXPECT_THAT(store.write(batch), has_code(ErrorCode::kNotFound));
    // It showed what memtables still held of it, as if that were all there is.
    StoreIterator over = store.iterate(gone);
    over.seek_first();
    EXPECT_FALSE(over.valid());
    EXPECT_THAT(over.status(), has_code(ErrorCode::kNotFound));
    EXPECT_THAT(store.drop_keyspace(store.default_keyspace()),
                has_code(ErrorCode::kInvalidArgument));
    EXPECT_EQ(store.keyspaces(), (std::vector<std::string>{"default", "back"}));
  }
  for (int life = 0; life < 2; ++life) {
    ASSERT_OK_AND_ASSIGN(Store store, Store::open(path(), options()));
    EXPECT_EQ(store.keyspaces(), (std::vector<std::string>{"default", "back"}));
    ASSERT_OK_AND_ASSIGN(const Keyspace back, store.keyspace("back"));
    EXPECT_EQ(content(store.iterate()), (Model{{"k", "default"}}));
    StoreIterator iterator = store.iterate(back);
    iterator.seek_first();
    ASSERT_TRUE(iterator.valid());
    EXPECT_EQ(as_text(iterator.key()), "2");
    ASSERT_OK(store.flush());
  }
}

// Merging, and asking for keyspaces, looked into what closing had taken away.
TEST_P(StoreTest, IsClosedToEverythingOnceItWasClosed) {
  ASSERT_OK_AND_ASSIGN(Store store, Store::open(path(), options()));
  ASSERT_OK_AND_ASSIGN(const Keyspace made, store.create_keyspace("made"));
  ASSERT_OK(store.close());
  ASSERT_OK(store.close());
  EXPECT_THAT(store.flush(), has_code(ErrorCode::kClosed));
  EXPECT_THAT(store.compact(), has_code(ErrorCode::kClosed));
  EXPECT_THAT(store.keyspace("made"), has_code(ErrorCode::kClosed));
  EXPECT_THAT(store.create_keyspace("another"), has_code(ErrorCode::kClosed));
  EXPECT_THAT(store.drop_keyspace(made), has_code(ErrorCode::kClosed));
  EXPECT_TRUE(store.keyspaces().empty());
}

// Opening removed every file that the manifest does not name.
TEST_P(StoreTest, LeavesFilesOfOthersBesideItsTables) {
  {
    ASSERT_OK(Store::open(path(), options()));
  }
  const auto tables = path() / "tables";
  for (const char* name : {"notes.txt", "00000000000000ff.table"}) {
    std::ofstream(tables / name) << "something";
  }
  ASSERT_OK_AND_ASSIGN(Store store, Store::open(path(), options()));
  EXPECT_EQ(store.recovery().orphans_removed, 1U);
  EXPECT_TRUE(std::filesystem::exists(tables / "notes.txt"));
  EXPECT_FALSE(std::filesystem::exists(tables / "00000000000000ff.table"));
}

// A merge operator without a name was gone at the next opening, and its operands unreadable; keys
// that a custom "nacre.bytewise" had sorted were searched by nacre's own.
TEST_P(StoreTest, RefusesNamesThatDoNotLeadBack) {
  const auto length = [](Bytes a, Bytes b) { return a.size() <=> b.size(); };
  const MergeOperator nameless("", [](Bytes, std::optional<Bytes>, std::span<const Bytes>) {
    return std::vector<std::byte>();
  });
  const auto refused = has_code(ErrorCode::kInvalidArgument);
  for (const char* name : {"", "nacre.bytewise", "nacre.other"}) {
    StoreOptions wrong = options();
    wrong.comparator = Comparator::custom(name, length);
    EXPECT_THAT(Store::open(path(), wrong), refused) << name;
  }
  StoreOptions wrong = options();
  wrong.merge = nameless;
  EXPECT_THAT(Store::open(path(), wrong), refused);
  // They would be called when it is too late to say no.
  wrong.merge = MergeOperator("without a function", {});
  EXPECT_THAT(Store::open(path(), wrong), refused);
  wrong.merge.reset();
  wrong.comparator = Comparator::custom("without a function", {});
  EXPECT_THAT(Store::open(path(), wrong), refused);
  EXPECT_FALSE(std::filesystem::exists(path()));

  ASSERT_OK_AND_ASSIGN(Store store, Store::open(path(), options()));
  for (const char* name : {"", "nacre.bytewise", "nacre.other"}) {
    EXPECT_THAT(store.create_keyspace("k", {.comparator = Comparator::custom(name, length)}),
                refused);
  }
  EXPECT_THAT(store.create_keyspace("k", {.merge = nameless}), refused);
  ASSERT_OK(store.create_keyspace("k", {.comparator = Comparator::custom("nacre", length)}));
}

TEST_P(StoreTest, RefusesAnotherComparator) {
  {
    ASSERT_OK(Store::open(path(), options()));
  }
  StoreOptions other = options();
  other.comparator = Comparator::reverse_bytewise();
  EXPECT_THAT(Store::open(path(), other), has_code(ErrorCode::kInvalidArgument));
}

TEST_P(StoreTest, AnIteratorGoesBothWays) {
  ASSERT_OK_AND_ASSIGN(Store store, Store::open(path(), options()));
  for (int round = 0; round < 3; ++round) {
    for (int i = round; i < 60; i += 3) {
      const std::string key = {static_cast<char>('a' + i / 10), static_cast<char>('0' + i % 10)};
      ASSERT_OK(store.put(as_bytes(key), as_bytes(key)));
    }
    if (round < 2) {
      ASSERT_OK(store.flush());
    }
  }
  ASSERT_OK(store.remove(as_bytes("b5")));
  StoreIterator at = store.iterate();
  at.seek(as_bytes("b4"));
  EXPECT_EQ(as_text(at.key()), "b4");
  at.next();
  EXPECT_EQ(as_text(at.key()), "b6");
  at.prev();
  EXPECT_EQ(as_text(at.key()), "b4");
  at.prev();
  EXPECT_EQ(as_text(at.key()), "b3");
  at.next();
  at.next();
  EXPECT_EQ(as_text(at.key()), "b6");
  at.seek_for_prev(as_bytes("b5"));
  EXPECT_EQ(as_text(at.key()), "b4");
  at.seek_for_prev(as_bytes("a"));
  EXPECT_FALSE(at.valid());
  at.seek_last();
  EXPECT_EQ(as_text(at.key()), "f9");
  at.next();
  EXPECT_FALSE(at.valid());
}

// More than a memtable holds, so that sets are sealed, flushed and truncated behind the writers.
TEST_P(StoreTest, ManyThreadsWriteThroughSeveralMemtables) {
  constexpr int kThreads = 4;
  constexpr int kWrites = 3000;
  const std::string padding(400, 'p');
  for (int life = 0; life < 2; ++life) {
    ASSERT_OK_AND_ASSIGN(Store store, Store::open(path(), options()));
    if (life == 0) {
      std::vector<std::thread> threads;
      for (int t = 0; t < kThreads; ++t) {
        threads.emplace_back([&, t] {
          for (int i = 0; i < kWrites; ++i) {
            const std::string key = std::to_string(t) + "/" + std::to_string(i % 1000);
            const std::string value = std::to_string(i) + padding;
            ASSERT_OK(store.put(as_bytes(key), as_bytes(value)));
            if (i % 100 == 0) {
              EXPECT_EQ(value_of(store, key), value);
            }
          }
        });
      }
      for (std::thread& thread : threads) thread.join();
    }
    const Model all = content(store.iterate());
    EXPECT_EQ(all.size(), kThreads * 1000U);
    for (const auto& [key, value] : all) {
      const int i = std::stoi(key.substr(2));
      EXPECT_EQ(value, std::to_string(kWrites - 1000 + i) + padding) << key;
    }
  }
}

using StoreOverwriteDeathTest = StoreTest;

TEST_P(StoreOverwriteDeathTest, WhereItIsProtectedAStrayStoreIntoAValueEndsTheProcess) {
  if (!test::is_protected(GetParam())) GTEST_SKIP() << "not protected";
  ASSERT_OK_AND_ASSIGN(Store store, Store::open(path(), options()));
  ASSERT_OK(store.put(as_bytes("key"), as_bytes("acknowledged")));
  ASSERT_OK_AND_ASSIGN(const auto found, store.get(as_bytes("key")));
  ASSERT_TRUE(found.has_value());
  const Bytes value = found->bytes();
  EXPECT_EXIT(test::exit_with_fault([&] { test::store_at(value.data()); }),
              testing::ExitedWithCode(SEGV_ACCERR), "");
  EXPECT_EQ(value_of(store, "key"), "acknowledged");
}

TEST_P(StoreOverwriteDeathTest, WithoutKeysItIsNotOpened) {
  if (test::has_protection_keys()) GTEST_SKIP() << "there are protection keys";
  StoreOptions protect = options();
  protect.domain = DomainRequest::kEmulated;
  protect.overwrite_protection = true;
  EXPECT_THAT(Store::open(path(), protect), has_code(ErrorCode::kUnsupported));
}

INSTANTIATE_TEST_SUITE_P(Domains, StoreOverwriteDeathTest,
                         testing::ValuesIn(test::and_protected({LogPlace::kEmulatedInMemory})),
                         test::place_name);
INSTANTIATE_TEST_SUITE_P(Domains, StoreTest,
                         testing::ValuesIn(test::and_protected({LogPlace::kBlock,
                                                                LogPlace::kEmulatedInMemory,
                                                                LogPlace::kEmulatedOnDisk})),
                         test::place_name);

}  // namespace
}  // namespace nacre
