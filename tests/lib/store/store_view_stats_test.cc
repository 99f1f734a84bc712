// What a StoreView tells of itself, and of a writer that changes the store while it looks.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "nacre/store_view.h"
#include "tests/support/forwarding_file_system.h"
#include "tests/support/result_matchers.h"
#include "tests/support/temp_directory.h"

namespace nacre {
namespace {

using test::has_code;
using testing::HasSubstr;

constexpr std::uint64_t kWriteHeaderBytes = 16;
constexpr std::string_view kManifestSegment = "0000000000000001.seg";

/// Calls before each opening of the manifest, of which every look makes several.
class WatchedFileSystem final : public test::ForwardingFileSystem {
 public:
  Result<std::unique_ptr<File>> open(const std::filesystem::path& path,
                                     const OpenOptions& options) override {
    if (before_manifest_ && path.filename() == kManifestSegment) before_manifest_();
    return ForwardingFileSystem::open(path, options);
  }
  void before_manifest(std::function<void()> call) { before_manifest_ = std::move(call); }

 private:
  std::function<void()> before_manifest_;
};

class StoreViewStatsTest : public testing::Test {
 protected:
  void SetUp() override {
    StoreOptions options{.segment_bytes = std::uint64_t{256} << 10,
                         .domain = DomainRequest::kEmulated};
    options.environment.executor = &executor_;
    ASSERT_OK_AND_ASSIGN(Store store, Store::open(path(), options));
    store_.emplace(std::move(store));
  }
  Result<StoreView> open_view() {
    StoreOptions options;
    options.environment.file_system = &files_;
    return StoreView::open(path(), options);
  }
  std::filesystem::path path() const { return directory_.path() / "store"; }
  void put(const std::string& key) { ASSERT_OK(store_->put(as_bytes(key), as_bytes("value"))); }
  void put_and_flush() {
    put("key " + std::to_string(puts_++));
    ASSERT_OK(store_->flush());
  }

  test::TempDirectory directory_ = test::TempDirectory::on_tmpfs();
  DeterministicExecutor executor_{1};
  WatchedFileSystem files_;
  int puts_ = 0;
  std::optional<Store> store_;
};

TEST_F(StoreViewStatsTest, TellWhatIsShownAndWhatItTook) {
  ASSERT_OK_AND_ASSIGN(StoreView view, open_view());
  const StoreViewStats empty = view.stats();
  ASSERT_EQ(empty.keyspaces.size(), 1U);
  EXPECT_EQ(empty.keyspaces[0].name, "default");
  EXPECT_TRUE(empty.keyspaces[0].levels.empty());
  EXPECT_EQ(empty.log_records, 0U);
  EXPECT_EQ(empty.looks, 1U);

  ASSERT_OK_AND_ASSIGN(const Keyspace other, store_->create_keyspace("other"));
  ASSERT_OK(store_->put(other, as_bytes("a"), as_bytes("1")));
  put_and_flush();
  put("b");
  WriteBatch batch;
  batch.put(as_bytes("c"), as_bytes("2"));
  batch.remove(other, as_bytes("a"));
  ASSERT_OK(store_->write(batch));
  EXPECT_EQ(view.stats().moment, empty.moment) << "it shows what it did";
  ASSERT_OK(view.refresh());
  const StoreViewStats stats = view.stats();
  ASSERT_EQ(stats.keyspaces.size(), 2U);
  for (const KeyspaceStats& keyspace : stats.keyspaces) {
    ASSERT_EQ(keyspace.levels.size(), 1U) << keyspace.name;
    EXPECT_EQ(keyspace.levels[0].tables, 1U);
    EXPECT_EQ(keyspace.levels[0].entries, 1U);
  }
  const StoreStats writers = store_->stats().value();
  EXPECT_EQ(stats.keyspaces[0].table_bytes(), writers.keyspaces[0].table_bytes());
  EXPECT_EQ(stats.log_records, 2U);
  EXPECT_EQ(stats.log_bytes, std::string("bvaluec2a").size() + 3 * kWriteHeaderBytes);
  EXPECT_EQ(stats.log_bytes, writers.unflushed_log_bytes);
  EXPECT_GT(stats.memory_bytes, writers.memory.tables);
  EXPECT_GT(stats.moment, empty.moment);
  EXPECT_EQ(stats.looks, 1U);
}

// Wherever in a look the store changes; where that matters, there is another one.
TEST_F(StoreViewStatsTest, AStoreThatChangesDuringALookIsLookedAtAgain) {
  put_and_flush();
  ASSERT_OK_AND_ASSIGN(StoreView view, open_view());
  int openings = 0;
  files_.before_manifest([&] { ++openings; });
  ASSERT_OK(view.refresh());
  const int in_one_look = openings;
  int looked_again = 0;
  for (int nth = 1; nth <= in_one_look; ++nth) {
    const int before = puts_;
    openings = 0;
    files_.before_manifest([&] {
      if (++openings == nth) put_and_flush();
    });
    ASSERT_OK(view.refresh());
    EXPECT_TRUE(view.get(as_bytes("key " + std::to_string(before - 1))).value().has_value());
    EXPECT_LE(view.stats().looks, 2U);
    EXPECT_EQ(view.stats().looks == 2, openings > in_one_look);
    if (view.stats().looks == 2) ++looked_again;
  }
  EXPECT_GT(looked_again, 0);
  EXPECT_LT(looked_again, in_one_look);
  files_.before_manifest({});
  ASSERT_OK(view.refresh());
  EXPECT_EQ(view.stats().looks, 1U) << "of the newest refresh";
}

TEST_F(StoreViewStatsTest, AWriterThatIsAheadOfEachLookMakesItBusy) {
  put_and_flush();
  ASSERT_OK_AND_ASSIGN(StoreView view, open_view());
  files_.before_manifest([&] { put_and_flush(); });
  const Status refreshed = view.refresh();
  ASSERT_THAT(refreshed, has_code(ErrorCode::kBusy));
  EXPECT_EQ(refreshed.error().path(), path().string());
  EXPECT_THAT(refreshed.error().message(), HasSubstr("100 looks"));
  EXPECT_THAT(open_view(), has_code(ErrorCode::kBusy));

  // It shows what it did before, and goes on when the writer is done.
  EXPECT_TRUE(view.get(as_bytes("key 0")).value().has_value());
  EXPECT_FALSE(view.get(as_bytes("key 1")).value().has_value());
  EXPECT_EQ(view.stats().keyspaces[0].levels[0].entries, 1U);
  files_.before_manifest({});
  ASSERT_OK(view.refresh());
  EXPECT_TRUE(view.get(as_bytes("key " + std::to_string(puts_ - 1))).value().has_value());
}

}  // namespace
}  // namespace nacre
