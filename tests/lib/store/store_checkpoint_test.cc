// Store::checkpoint: a copy as of one moment, whatever goes on beside it and whatever fails.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "lib/store/table_format.h"
#include "nacre/emulation/fault_file_system.h"
#include "nacre/emulation/fault_plan.h"
#include "nacre/store.h"
#include "tests/support/file_bytes.h"
#include "tests/support/forwarding_file_system.h"
#include "tests/support/result_matchers.h"
#include "tests/wal/wal_domain.h"

namespace nacre {
namespace {

using test::has_code;
using test::LogPlace;
using Model = std::map<std::string, std::string>;

Model content(StoreIterator iterator) {
  Model all;
  for (iterator.seek_first(); iterator.valid(); iterator.next()) {
    all.emplace(as_text(iterator.key()), as_text(iterator.value()));
  }
  EXPECT_OK(iterator.status());
  return all;
}

StoreOptions options_in(DomainRequest domain) {
  return {.memtable_bytes = std::uint64_t{1} << 20,
          .write_lanes = 2,
          .segment_bytes = std::uint64_t{256} << 10,
          .domain = domain};
}

class CheckpointTest : public testing::TestWithParam<LogPlace> {
 protected:
  StoreOptions options() const { return options_in(test::domain_of(GetParam())); }
  std::filesystem::path path() const { return directory_->path() / "store"; }
  std::filesystem::path target() const { return directory_->path() / "copy"; }

  std::unique_ptr<test::TempDirectory> directory_ = test::directory_for(GetParam());
};

TEST_P(CheckpointTest, HoldsWhatTheStoreHeldAndGoesOnByItself) {
  ASSERT_OK_AND_ASSIGN(Store store, Store::open(path(), options()));
  ASSERT_OK_AND_ASSIGN(const Keyspace users, store.create_keyspace("users"));
  ASSERT_OK(store.put(as_bytes("old"), as_bytes("1")));
  ASSERT_OK(store.put(as_bytes("gone"), as_bytes("1")));
  ASSERT_OK(store.flush());
  ASSERT_OK(store.compact());
  ASSERT_OK(store.remove(as_bytes("gone")));
  ASSERT_OK(store.put(users, as_bytes("alice"), as_bytes("2")));
  ASSERT_OK(store.checkpoint(target()));
  ASSERT_OK(store.put(as_bytes("old"), as_bytes("changed")));

  for (int life = 0; life < 2; ++life) {
    ASSERT_OK_AND_ASSIGN(Store copy, Store::open(target(), options()));
    ASSERT_OK_AND_ASSIGN(const Keyspace copied_users, copy.keyspace("users"));
    EXPECT_EQ(content(copy.iterate(copied_users)), (Model{{"alice", "2"}}));
    EXPECT_EQ(copy.recovery().orphans_removed, 0U);
    if (life == 0) {
      EXPECT_EQ(content(copy.iterate()), (Model{{"old", "1"}}));
      // What is written now must come behind what is in the tables.
      ASSERT_OK(copy.put(as_bytes("old"), as_bytes("mine")));
      ASSERT_OK(copy.flush());
      ASSERT_OK(copy.compact());
    }
    EXPECT_EQ(content(copy.iterate()), (Model{{"old", "mine"}}));
  }
  EXPECT_EQ(content(store.iterate()), (Model{{"old", "changed"}}));
}

TEST_P(CheckpointTest, OfAnEmptyStoreIntoAnEmptyDirectory) {
  ASSERT_OK_AND_ASSIGN(Store store, Store::open(path(), options()));
  std::filesystem::create_directory(target());
  ASSERT_OK(store.checkpoint(target() / ""));
  EXPECT_FALSE(std::filesystem::exists(directory_->path() / "copy.unfinished"));
  ASSERT_OK_AND_ASSIGN(Store copy, Store::open(target(), options()));
  EXPECT_EQ(content(copy.iterate()), Model{});
  ASSERT_OK(copy.put(as_bytes("key"), as_bytes("value")));
}

TEST_P(CheckpointTest, IsOfOneMomentWhileWritersGoOn) {
  const int rounds = GetParam() == LogPlace::kBlock ? 2 : 8;
  ASSERT_OK_AND_ASSIGN(Store store, Store::open(path(), options()));
  ASSERT_OK_AND_ASSIGN(const Keyspace other, store.create_keyspace("other"));
  std::atomic<bool> over{false};
  std::atomic<int> acknowledged{0};
  // Each batch writes one number everywhere: a copy that has two of them is of no one moment.
  std::thread writer([&] {
    const std::string padding(2000, 'p');
    for (int i = 1; !over; ++i) {
      WriteBatch batch;
      const std::string number = std::to_string(i);
      for (const char* key : {"a", "b"}) batch.put(as_bytes(key), as_bytes(number));
      batch.put(other, as_bytes("a"), as_bytes(number));
      batch.put(other, as_bytes("filler" + std::to_string(i % 200)), as_bytes(padding));
      ASSERT_OK(store.write(batch));
      acknowledged = i;
    }
  });
  std::vector<int> at_least;
  for (int i = 0; i < rounds; ++i) {
    while (acknowledged == 0) std::this_thread::yield();
    at_least.push_back(acknowledged);
    ASSERT_OK(store.checkpoint(target().string() + std::to_string(i)));
    ASSERT_OK(store.compact(other));
  }
  over = true;
  writer.join();
  for (int i = 0; i < rounds; ++i) {
    ASSERT_OK_AND_ASSIGN(Store copy, Store::open(target().string() + std::to_string(i), options()));
    ASSERT_OK_AND_ASSIGN(const Keyspace copied, copy.keyspace("other"));
    const Model all = content(copy.iterate());
    const std::string number = all.at("a");
    EXPECT_EQ(all.at("b"), number);
    EXPECT_EQ(content(copy.iterate(copied)).at("a"), number);
    EXPECT_GE(std::stoi(number), at_least[static_cast<std::size_t>(i)]);
  }
}

TEST_P(CheckpointTest, RefusesATargetWithSomethingInIt) {
  ASSERT_OK_AND_ASSIGN(Store store, Store::open(path(), options()));
  ASSERT_OK(store.put(as_bytes("key"), as_bytes("value")));
  std::filesystem::create_directory(target());
  test::write_content(target() / "mine", "x");
  const Status refused = store.checkpoint(target());
  ASSERT_THAT(refused, has_code(ErrorCode::kBusy));
  EXPECT_EQ(refused.error().path(), target().string());
  EXPECT_THAT(store.checkpoint(target() / "mine"), has_code(ErrorCode::kInvalidArgument));
  EXPECT_THAT(store.checkpoint(path()), has_code(ErrorCode::kBusy));
  EXPECT_THAT(store.checkpoint(directory_->path() / "none" / "copy"),
              has_code(ErrorCode::kNotFound));
  EXPECT_EQ(test::file_content(target() / "mine"), "x");
  EXPECT_FALSE(std::filesystem::exists(target().string() + ".unfinished"));
  ASSERT_OK(store.close());
  EXPECT_THAT(store.checkpoint(directory_->path() / "late"), has_code(ErrorCode::kClosed));
}

TEST_P(CheckpointTest, WhatACrashLeftIsMadeAnewAndFilesOfOthersStay) {
  ASSERT_OK_AND_ASSIGN(Store store, Store::open(path(), options()));
  ASSERT_OK(store.put(as_bytes("key"), as_bytes("value")));
  ASSERT_OK(store.checkpoint(target()));
  // As it stands right before it gets its name.
  const std::filesystem::path unfinished = target().string() + ".unfinished";
  std::filesystem::rename(target(), unfinished);
  ASSERT_OK(store.put(as_bytes("key"), as_bytes("newer")));
  ASSERT_OK(store.checkpoint(target()));
  EXPECT_FALSE(std::filesystem::exists(unfinished));
  ASSERT_OK_AND_ASSIGN(Store copy, Store::open(target(), options()));
  EXPECT_EQ(content(copy.iterate()), (Model{{"key", "newer"}}));

  const std::filesystem::path second = directory_->path() / "second";
  std::filesystem::create_directories(second.string() + ".unfinished/tables");
  test::write_content(second.string() + ".unfinished/tables/notes", "mine");
  EXPECT_THAT(store.checkpoint(second), has_code(ErrorCode::kBusy));
  EXPECT_EQ(test::file_content(second.string() + ".unfinished/tables/notes"), "mine");
}

INSTANTIATE_TEST_SUITE_P(Domains, CheckpointTest,
                         testing::Values(LogPlace::kBlock, LogPlace::kEmulatedInMemory,
                                         LogPlace::kEmulatedOnDisk),
                         test::place_name);

/// Counts links, and makes none where it is told to.
class LinkingFileSystem final : public test::ForwardingFileSystem {
 public:
  Status link(const std::filesystem::path& from, const std::filesystem::path& to) override {
    ++links;
    if (failure) return *failure;
    if (links_left-- <= 0) return FileSystem::link(from, to);
    return ForwardingFileSystem::link(from, to);
  }
  int links = 0;
  int links_left = 1000;
  std::optional<Error> failure;
};

class CheckpointFilesTest : public testing::Test {
 protected:
  Result<Store> open(FileSystem& file_system) {
    StoreOptions options = options_in(DomainRequest::kEmulated);
    options.environment.file_system = &file_system;
    options.environment.executor = &executor_;
    return Store::open(path(), options);
  }
  static Result<Store> open_at(const std::filesystem::path& path) {
    return Store::open(path, options_in(DomainRequest::kEmulated));
  }
  static void fill(Store& store) {
    for (int i = 0; i < 2000; ++i) {
      const std::string key = "key " + std::to_string(i);
      ASSERT_OK(store.put(as_bytes(key), as_bytes(key)));
    }
  }
  std::filesystem::path path() const { return directory_.path() / "store"; }
  std::filesystem::path target() const { return directory_.path() / "copy"; }
  std::filesystem::path table() const { return target() / "tables" / store::table_file_name({1}); }

  test::TempDirectory directory_ = test::TempDirectory::on_tmpfs();
  DeterministicExecutor executor_{1};
};

TEST_F(CheckpointFilesTest, LinksTables) {
  LinkingFileSystem file_system;
  ASSERT_OK_AND_ASSIGN(Store store, open(file_system));
  fill(store);
  ASSERT_OK(store.checkpoint(target()));
  EXPECT_EQ(file_system.links, 1);
  EXPECT_EQ(std::filesystem::hard_link_count(table()), 2U);
}

TEST_F(CheckpointFilesTest, CopiesTablesWhereThereAreNoLinks) {
  LinkingFileSystem file_system;
  file_system.links_left = 0;
  ASSERT_OK_AND_ASSIGN(Store store, open(file_system));
  fill(store);
  ASSERT_OK(store.checkpoint(target()));
  EXPECT_EQ(std::filesystem::hard_link_count(table()), 1U);
  EXPECT_EQ(test::file_content(table()),
            test::file_content(path() / "tables" / store::table_file_name({1})));
  ASSERT_OK(store.close());
  std::filesystem::rename(target(), path().string() + "2");
  std::filesystem::remove_all(path());
  std::filesystem::rename(path().string() + "2", path());
  ASSERT_OK_AND_ASSIGN(Store copy, open(file_system));
  EXPECT_EQ(content(copy.iterate()).size(), 2000U);
}

// A file may have no more links than the file system allows (EMLINK), another one of the same store
// fewer.
TEST_F(CheckpointFilesTest, CopiesTheTableThatCannotBeLinked) {
  LinkingFileSystem file_system;
  ASSERT_OK_AND_ASSIGN(Store store, open(file_system));
  fill(store);
  ASSERT_OK(store.flush());
  ASSERT_OK(store.put(as_bytes("later"), as_bytes("x")));
  file_system.links_left = 1;
  ASSERT_OK(store.checkpoint(target()));
  EXPECT_EQ(file_system.links, 2);
  EXPECT_EQ(std::filesystem::hard_link_count(table()), 2U);
  EXPECT_EQ(std::filesystem::hard_link_count(target() / "tables" / store::table_file_name({2})),
            1U);
  ASSERT_OK(store.close());
  ASSERT_OK_AND_ASSIGN(Store copy, open_at(target()));
  EXPECT_EQ(content(copy.iterate()).size(), 2001U);
}

TEST_F(CheckpointFilesTest, CopiesTablesToAnotherDevice) {
  const test::TempDirectory elsewhere;
  LinkingFileSystem file_system;
  ASSERT_OK_AND_ASSIGN(Store store, open(file_system));
  fill(store);
  const auto copy_path = elsewhere.path() / "copy";
  const auto copied_table = copy_path / "tables" / store::table_file_name({1});
  ASSERT_OK(store.checkpoint(copy_path));
  if (std::filesystem::hard_link_count(copied_table) != 1) GTEST_SKIP() << "there is one device";
  ASSERT_OK(store.close());
  ASSERT_OK_AND_ASSIGN(Store copy, open_at(copy_path));
  EXPECT_EQ(content(copy.iterate()).size(), 2000U);
}

TEST_F(CheckpointFilesTest, ADirectoryWithoutTheDomainIsRefused) {
  const test::TempDirectory on_disk;
  auto store = Store::open(on_disk.path() / "store", options_in(DomainRequest::kBlock));
  if (!store && store.error().code() == ErrorCode::kUnsupported) GTEST_SKIP() << "no such domain";
  ASSERT_OK(store);
  ASSERT_OK(store->put(as_bytes("key"), as_bytes("value")));
  // Files in memory have none that survives power loss.
  const Status refused = store->checkpoint(target());
  ASSERT_THAT(refused, has_code(ErrorCode::kUnsupported));
  EXPECT_FALSE(std::filesystem::exists(target()));
  EXPECT_OK(store->checkpoint(on_disk.path() / "copy"));
}

TEST_F(CheckpointFilesTest, AnotherErrorThanThatThereAreNoLinksIsTold) {
  LinkingFileSystem file_system;
  ASSERT_OK_AND_ASSIGN(Store store, open(file_system));
  fill(store);
  file_system.failure = Error(ErrorCode::kIo, "no such luck");
  EXPECT_THAT(store.checkpoint(target()), has_code(ErrorCode::kIo));
  EXPECT_FALSE(std::filesystem::exists(target()));
  EXPECT_FALSE(std::filesystem::exists(target().string() + ".unfinished"));
  file_system.failure.reset();
  ASSERT_OK(store.checkpoint(target()));
}

TEST_F(CheckpointFilesTest, WhateverFailsLeavesTheStoreAndNoTarget) {
  PosixFileSystem kernel;
  FaultFileSystem faulty(kernel);
  ASSERT_OK_AND_ASSIGN(Store store, open(faulty));
  fill(store);
  ASSERT_OK(store.flush());
  const Model before = content(store.iterate());
  int failures = 0;
  for (const FileOperation operation :
       {FileOperation::kOpen, FileOperation::kCreate, FileOperation::kWrite,
        FileOperation::kPreallocate, FileOperation::kSync, FileOperation::kSyncData,
        FileOperation::kLock, FileOperation::kRename, FileOperation::kCreateDirectory,
        FileOperation::kListDirectory, FileOperation::kStat, FileOperation::kSyncDirectory}) {
    // One after the other is struck, until there are no more.
    for (std::uint64_t nth = 1;; ++nth) {
      const std::size_t fault = faulty.plan().add(
          {.operation = operation, .sys_errno = ENOSPC, .path_contains = "copy", .nth = nth});
      const Status taken = store.checkpoint(target());
      const bool struck = faulty.plan().hits(fault) > 0;
      faulty.plan().clear();
      failures += taken ? 0 : 1;
      ASSERT_TRUE(taken || struck) << taken.error().to_string();
      ASSERT_EQ(std::filesystem::exists(target()), taken.has_value()) << nth;
      ASSERT_EQ(content(store.iterate()), before);
      if (!taken) {
        ASSERT_OK(store.checkpoint(target()));  // What was left is no hindrance.
      }
      {
        ASSERT_OK_AND_ASSIGN(Store copy, open_at(target()));
        ASSERT_EQ(content(copy.iterate()), before);
      }
      std::filesystem::remove_all(target());
      if (!struck) break;
    }
  }
  EXPECT_GT(failures, 15);
}

TEST_F(CheckpointFilesTest, ATableThatIsMergedAwayMeanwhileIsStillTaken) {
  /// Merges everything before the first link.
  class MergingFileSystem final : public test::ForwardingFileSystem {
   public:
    Status link(const std::filesystem::path& from, const std::filesystem::path& to) override {
      if (Store* merged = std::exchange(store, nullptr); merged != nullptr) {
        EXPECT_OK(merged->compact());
      }
      return ForwardingFileSystem::link(from, to);
    }
    Store* store = nullptr;
  } file_system;
  ASSERT_OK_AND_ASSIGN(Store store, open(file_system));
  for (int i = 0; i < 2; ++i) {
    fill(store);
    ASSERT_OK(store.flush());
  }
  const Model before = content(store.iterate());
  file_system.store = &store;
  ASSERT_OK(store.checkpoint(target()));
  EXPECT_EQ(file_system.store, nullptr);
  // Nobody refers to the two any more, and they have gone.
  EXPECT_FALSE(std::filesystem::exists(path() / "tables" / store::table_file_name({1})));
  EXPECT_EQ(content(store.iterate()), before);
  EXPECT_TRUE(std::filesystem::exists(table()));
  ASSERT_OK(store.close());
  ASSERT_OK_AND_ASSIGN(Store copy, open_at(target()));
  EXPECT_EQ(content(copy.iterate()), before);
}

}  // namespace
}  // namespace nacre
