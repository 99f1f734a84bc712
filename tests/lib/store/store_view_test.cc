// StoreView: a store as of one moment, beside whoever writes it.

#include "nacre/store_view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <atomic>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "lib/base/try.h"
#include "nacre/wal.h"
#include "tests/lib/store/append_operator.h"
#include "tests/support/child_process.h"
#include "tests/support/forwarding_file_system.h"
#include "tests/support/result_matchers.h"
#include "tests/wal/wal_domain.h"

namespace nacre {
namespace {

using test::append;
using test::has_code;
using test::LogPlace;
using Model = std::map<std::string, std::string>;

Model content(StoreIterator at) {
  Model all;
  for (at.seek_first(); at.valid(); at.next()) all.emplace(as_text(at.key()), as_text(at.value()));
  EXPECT_OK(at.status());
  return all;
}

class StoreViewTest : public testing::TestWithParam<LogPlace> {
 protected:
  StoreOptions options() const {
    return {.memtable_bytes = std::uint64_t{1} << 20,
            .write_lanes = 3,
            .segment_bytes = std::uint64_t{256} << 10,
            .domain = test::domain_of(GetParam()),
            .merge = append()};
  }
  std::filesystem::path path() const { return directory_->path() / "store"; }

  std::unique_ptr<test::TempDirectory> directory_ = test::directory_for(GetParam());
};

TEST_P(StoreViewTest, ShowsWhatWasAcknowledgedWhereverItIs) {
  ASSERT_OK_AND_ASSIGN(Store store, Store::open(path(), options()));
  ASSERT_OK_AND_ASSIGN(StoreView view, StoreView::open(path(), options()));
  EXPECT_EQ(content(view.iterate()), Model{});
  ASSERT_OK(store.put(as_bytes("merged"), as_bytes("1")));
  ASSERT_OK(store.put(as_bytes("removed"), as_bytes("1")));
  ASSERT_OK(store.flush());
  ASSERT_OK(store.compact());
  ASSERT_OK(store.put(as_bytes("flushed"), as_bytes("2")));
  ASSERT_OK(store.flush());
  ASSERT_OK(store.put(as_bytes("in the log"), as_bytes("3")));
  ASSERT_OK(store.merge(as_bytes("merged"), as_bytes("+")));
  ASSERT_OK(store.remove_range(as_bytes("r"), as_bytes("s")));
  ASSERT_OK_AND_ASSIGN(const Keyspace other, store.create_keyspace("other"));
  WriteBatch batch;
  batch.put(other, as_bytes("a"), as_bytes("4"));
  batch.put(as_bytes("b"), as_bytes("4"));
  ASSERT_OK(store.write(batch));
  EXPECT_EQ(content(view.iterate()), Model{});

  StoreIterator before = view.iterate();
  ASSERT_OK(view.refresh());
  before.seek_first();
  EXPECT_FALSE(before.valid());
  const Model expected = {{"b", "4"}, {"flushed", "2"}, {"in the log", "3"}, {"merged", "1+"}};
  EXPECT_EQ(content(view.iterate()), expected);
  EXPECT_EQ(view.keyspaces(), (std::vector<std::string>{"default", "other"}));
  ASSERT_OK_AND_ASSIGN(const Keyspace others, view.keyspace("other"));
  EXPECT_EQ(content(view.iterate(others)), (Model{{"a", "4"}}));
  ASSERT_OK_AND_ASSIGN(const auto merged, view.get(as_bytes("merged")));
  EXPECT_EQ(merged->text(), "1+");
  const std::vector<Bytes> keys = {as_bytes("removed"), as_bytes("b")};
  ASSERT_OK_AND_ASSIGN(const auto several, view.multi_get(keys));
  EXPECT_FALSE(several[0].has_value());
  EXPECT_EQ(several[1]->text(), "4");

  BulkLoad load = store.begin_bulk_load();
  ASSERT_OK(load.add(as_bytes("b"), as_bytes("loaded")));
  ASSERT_OK(load.commit());
  ASSERT_OK(store.drop_keyspace(other));
  ASSERT_OK(view.refresh());
  EXPECT_EQ(view.get(as_bytes("b")).value()->text(), "loaded");
  EXPECT_THAT(view.get(others, as_bytes("a")), has_code(ErrorCode::kNotFound));
  EXPECT_THAT(view.iterate(others).status(), has_code(ErrorCode::kNotFound));
  EXPECT_THAT(view.keyspace("other"), has_code(ErrorCode::kNotFound));
}

TEST_P(StoreViewTest, WhatItShowedStaysWhenTheWriterMergesItAway) {
  ASSERT_OK_AND_ASSIGN(Store store, Store::open(path(), options()));
  for (int round = 0; round < 3; ++round) {
    ASSERT_OK(store.put(as_bytes("key"), as_bytes(std::to_string(round))));
    ASSERT_OK(store.flush());
  }
  ASSERT_OK_AND_ASSIGN(StoreView view, StoreView::open(path(), options()));
  ASSERT_OK(store.put(as_bytes("key"), as_bytes("newer")));
  ASSERT_OK(store.flush());
  ASSERT_OK(store.compact());
  EXPECT_EQ(content(view.iterate()), (Model{{"key", "2"}}));
  ASSERT_OK(view.refresh());
  EXPECT_EQ(content(view.iterate()), (Model{{"key", "newer"}}));
}

TEST_P(StoreViewTest, OfAStoreThatNobodyHasOpen) {
  {
    ASSERT_OK_AND_ASSIGN(Store store, Store::open(path(), options()));
    ASSERT_OK(store.put(as_bytes("key"), as_bytes("value")));
  }
  ASSERT_OK_AND_ASSIGN(const StoreView view, StoreView::open(path(), options()));
  EXPECT_EQ(content(view.iterate()), (Model{{"key", "value"}}));
  // It holds no lock.
  ASSERT_OK(Store::open(path(), options()));
}

/// What a writer in another process has had acknowledged.
struct Acknowledged {
  std::atomic<int> first{0};
  std::atomic<int> second{0};
  std::atomic<int> loads{0};
  std::atomic<int> looks{0};  // That the other process has taken.
  std::atomic<bool> over{false};

  /// A writer that was never outrun would always have given up what is being read.
  void await_look(int writes, int at_most_for_each) const {
    while (!over && writes > at_most_for_each * (looks + 1)) std::this_thread::yield();
  }
};

/// Two threads, the second of which writes what it has seen of the first, on a lane of its own;
/// they flush, merge and give up segments all the time. Returns what a child ends with.
int write_until_over(const std::filesystem::path& path, const StoreOptions& options,
                     Acknowledged& done) {
  auto store = Store::open(path, options);
  if (!store) {
    done.over = true;
    return 1;
  }
  std::atomic<int> failures{0};
  const std::string padding(3000, 'p');
  std::thread first([&] {
    for (int i = 1; !done.over; ++i) {
      WriteBatch batch;
      const std::string number = std::to_string(i);
      batch.put(as_bytes("a"), as_bytes(number));
      batch.put(as_bytes("b"), as_bytes(number));
      batch.put(as_bytes("filler" + std::to_string(i % 50)), as_bytes(padding));
      if (!store->write(batch)) ++failures;
      done.first = i;
      if (i % 1000 == 0 && !store->compact()) ++failures;
      done.await_look(i, 500);
    }
  });
  std::thread second([&] {
    // Else it might have had its share of writes before there was anything to see.
    while (!done.over && done.first == 0) std::this_thread::yield();
    for (int i = 0; !done.over; ++i) {
      done.await_look(i, 500);
      const int seen = done.first;
      if (!store->put(as_bytes("seen"), as_bytes(std::to_string(seen)))) ++failures;
      done.second = seen;
    }
  });
  std::thread loads([&] {
    for (int i = 1; !done.over; ++i) {
      BulkLoad load = store->begin_bulk_load();
      const std::string number = std::to_string(i);
      for (const char* key : {"l1", "l2"}) {
        if (!load.add(as_bytes(key), as_bytes(number))) ++failures;
      }
      if (!load.commit()) ++failures;
      if (!store->put(as_bytes("loads"), as_bytes(number))) ++failures;
      done.loads = i;
      done.await_look(i, 20);
    }
  });
  first.join();
  second.join();
  loads.join();
  return failures == 0 && store->close() ? 0 : 2;
}

TEST_P(StoreViewTest, IsOfOneMomentBesideAWriterInAnotherProcess) {
  const int rounds = GetParam() == LogPlace::kBlock ? 15 : 60;
  void* const shared = ::mmap(nullptr, sizeof(Acknowledged), PROT_READ | PROT_WRITE,
                              MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(shared, MAP_FAILED);
  auto& done = *new (shared) Acknowledged();
  const pid_t writer = test::fork_child([&] { return write_until_over(path(), options(), done); });
  while (!done.over && (done.first == 0 || done.second == 0 || done.loads == 0)) {
    std::this_thread::yield();
  }
  auto opened = StoreView::open(path(), options());
  for (int i = 0; i < rounds && opened && !HasFailure(); ++i) {
    StoreView& view = *opened;
    const int first = done.first;
    const int second = done.second;
    const int loads = done.loads;
    const Status refreshed = view.refresh();
    EXPECT_OK(refreshed);
    done.looks = i + 1;
    if (!refreshed) break;
    const Model all = content(view.iterate());
    const auto number = [&](const char* key) {
      return all.contains(key) ? std::stoi(all.at(key)) : 0;
    };
    EXPECT_GE(number("a"), first);
    EXPECT_EQ(number("a"), number("b"));
    EXPECT_GE(number("seen"), second);
    // What was written by somebody who had seen something is not there without it.
    EXPECT_GE(number("a"), number("seen"));
    EXPECT_GE(number("loads"), loads);
    EXPECT_EQ(number("l1"), number("l2"));
    EXPECT_GE(number("l1"), number("loads"));
  }
  done.over = true;
  EXPECT_EQ(test::exit_status(writer), 0);
  ASSERT_OK(opened);
  ASSERT_OK(opened->refresh());
  EXPECT_EQ(opened->get(as_bytes("a")).value()->text(), std::to_string(done.first));
  ::munmap(shared, sizeof(Acknowledged));
}

INSTANTIATE_TEST_SUITE_P(Domains, StoreViewTest,
                         testing::Values(LogPlace::kBlock, LogPlace::kEmulatedInMemory,
                                         LogPlace::kEmulatedOnDisk),
                         test::place_name);

/// Lets nobody change anything.
class ReadOnlyFileSystem final : public test::ForwardingFileSystem {
 public:
  Result<std::unique_ptr<File>> open(const std::filesystem::path& path,
                                     const OpenOptions& options) override {
    EXPECT_FALSE(options.writable || options.create) << path;
    return ForwardingFileSystem::open(path, options);
  }
  Status create_directory(const std::filesystem::path& path) override {
    ADD_FAILURE() << path;
    return ForwardingFileSystem::create_directory(path);
  }
  Status rename(const std::filesystem::path& from, const std::filesystem::path& to) override {
    ADD_FAILURE() << from;
    return ForwardingFileSystem::rename(from, to);
  }
  Status remove(const std::filesystem::path& path) override {
    ADD_FAILURE() << path;
    return ForwardingFileSystem::remove(path);
  }
};

class StoreViewErrorsTest : public testing::Test {
 protected:
  static StoreOptions options() { return {.domain = DomainRequest::kEmulated}; }
  std::filesystem::path path() const { return directory_.path() / "store"; }
  test::TempDirectory directory_ = test::TempDirectory::on_tmpfs();
};

TEST_F(StoreViewErrorsTest, NothingIsWritten) {
  ASSERT_OK_AND_ASSIGN(Store store, Store::open(path(), options()));
  ASSERT_OK(store.put(as_bytes("a"), as_bytes("1")));
  ASSERT_OK(store.flush());
  ASSERT_OK(store.put(as_bytes("b"), as_bytes("2")));
  ReadOnlyFileSystem file_system;
  StoreOptions looking = options();
  looking.environment.file_system = &file_system;
  ASSERT_OK_AND_ASSIGN(StoreView view, StoreView::open(path(), looking));
  ASSERT_OK(view.refresh());
  EXPECT_EQ(content(view.iterate()), (Model{{"a", "1"}, {"b", "2"}}));
}

TEST_F(StoreViewErrorsTest, WhatIsNoStoreOrCannotBeRead) {
  EXPECT_THAT(StoreView::open(path(), options()), has_code(ErrorCode::kNotFound));
  EXPECT_FALSE(std::filesystem::exists(path()));
  ASSERT_OK(Wal::open(directory_.path() / "log", {.domain = DomainRequest::kEmulated}));
  EXPECT_THAT(StoreView::open(directory_.path() / "log", options()),
              has_code(ErrorCode::kInvalidArgument));

  ASSERT_OK_AND_ASSIGN(Store store, Store::open(path(), options()));
  ASSERT_OK(store.put(as_bytes("a"), as_bytes("1")));
  ASSERT_OK(store.flush());
  StoreOptions reverse = options();
  reverse.comparator = Comparator::reverse_bytewise();
  EXPECT_THAT(StoreView::open(path(), reverse), has_code(ErrorCode::kInvalidArgument));
  StoreOptions merging = options();
  merging.merge = append();
  EXPECT_THAT(StoreView::open(path(), merging), has_code(ErrorCode::kInvalidArgument));
  for (const auto& entry : std::filesystem::directory_iterator(path() / "tables")) {
    std::filesystem::remove(entry.path());
  }
  const auto lost = StoreView::open(path(), options());
  ASSERT_THAT(lost, has_code(ErrorCode::kCorruption));
  EXPECT_THAT(lost.error().path(), testing::HasSubstr(".table"));
}

}  // namespace
}  // namespace nacre
