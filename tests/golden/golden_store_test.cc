// Stores of all formats there were, kept as files: they open and read the same, and of today's the
// writer writes the same bytes. What to do when one of these tests fails stands at the head of
// golden_test.cc; here NACRE_GOLDEN_STORE_OUT is the directory into which the store goes.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <string>

#include "lib/base/try.h"
#include "lib/log/verify.h"
#include "lib/store/inspect.h"
#include "mmap/segment_format.h"
#include "nacre/random.h"
#include "nacre/store.h"
#include "tests/support/file_bytes.h"
#include "tests/support/result_matchers.h"
#include "tests/support/temp_directory.h"

namespace nacre {
namespace {

struct Version {
  std::string directory;
  bool loads = true;  ///< In bulk, which only manifests from version 2 on can say.
};
const Version kVersion1 = {.directory = "store-v1", .loads = false};
const Version kVersion2 = {.directory = "store-v2"};
/// Tables say whose they are.
const Version kVersion3 = {.directory = "store-v3"};
const Version& kToday = kVersion3;

std::filesystem::path kept(const Version& version) {
  return std::filesystem::path(NACRE_GOLDEN_DIR) / version.directory;
}

using Content = std::map<std::string, std::string>;

/// Of the keyspaces "default" and "reverse".
struct Expected {
  Content plain;
  Content reverse;
};

std::string key_of(int number) { return "key " + std::to_string(number); }

constexpr int kFirstLoaded = 20;
constexpr int kEndLoaded = 25;

/// What a golden store holds: partly in tables of two levels, partly in its log.
Expected expected_content(const Version& version) {
  Expected expected;
  for (int i = 0; i < 40; ++i) {
    expected.plain[key_of(i)] = "value " + std::to_string(i);
    expected.reverse[key_of(i)] = std::string(static_cast<std::size_t>(i) * 3, 'r');
  }
  for (int i = 10; i < 20; ++i) expected.plain[key_of(i)] = "again";
  expected.plain.erase(key_of(3));
  for (int i = kFirstLoaded; version.loads && i < kEndLoaded; ++i) {
    expected.plain[key_of(i)] = "loaded";
  }
  expected.plain[""] = "of an empty key";
  expected.reverse["batch"] = "";
  expected.reverse.erase(key_of(39));
  return expected;
}

Status load(Store& store) {
  BulkLoad load = store.begin_bulk_load();
  for (int i = kFirstLoaded; i < kEndLoaded; ++i) {
    NACRE_TRY(load.add(as_bytes(key_of(i)), as_bytes("loaded")));
  }
  return load.commit();
}

Status fill(Store& store, Keyspace reverse, Keyspace gone) {
  const auto put = [&](Keyspace keyspace, const std::string& key, const std::string& value) {
    return store.put(keyspace, as_bytes(key), as_bytes(value));
  };
  const Keyspace plain = store.default_keyspace();
  for (int i = 0; i < 40; ++i) {
    NACRE_TRY(put(plain, key_of(i), "value " + std::to_string(i)));
    NACRE_TRY(put(reverse, key_of(i), std::string(static_cast<std::size_t>(i) * 3, 'r')));
  }
  NACRE_TRY(put(gone, "key", "value"));
  NACRE_TRY(store.flush());
  NACRE_TRY(store.compact());
  for (int i = 10; i < 20; ++i) NACRE_TRY(put(plain, key_of(i), "again"));
  NACRE_TRY(store.remove(as_bytes(key_of(3))));
  NACRE_TRY(store.flush());
  NACRE_TRY(store.drop_keyspace(gone));
  NACRE_TRY(load(store));
  WriteBatch batch;
  batch.put(as_bytes(""), as_bytes("of an empty key"));
  batch.put(reverse, as_bytes("batch"), {});
  batch.remove(reverse, as_bytes(key_of(39)));
  return store.write(batch);
}

/// Writes that store as today's writer does: the same clock, the same random numbers, one thread.
Status write_golden(const std::filesystem::path& directory) {
  ManualClock clock(1'000);
  SeededRandom random(42);
  DeterministicExecutor executor(1);
  auto store = NACRE_TRY(Store::open(
      directory, {.write_lanes = 1,
                  .segment_bytes = kMinSegmentBytes,
                  .spare_segments = 0,
                  .domain = DomainRequest::kEmulated,
                  .environment = {.clock = &clock, .random = &random, .executor = &executor}}));
  const Keyspace reverse =
      NACRE_TRY(store.create_keyspace("reverse", {.comparator = Comparator::reverse_bytewise()}));
  const Keyspace gone = NACRE_TRY(store.create_keyspace("gone"));
  NACRE_TRY(fill(store, reverse, gone));
  return store.close();
}

Content content(StoreIterator each) {
  Content found;
  for (each.seek_first(); each.valid(); each.next()) {
    found.emplace(as_text(each.key()), as_text(each.value()));
  }
  EXPECT_OK(each.status());
  return found;
}

/// Each kept version.
class GoldenStoreTest : public testing::TestWithParam<Version> {
 protected:
  void SetUp() override {
    std::filesystem::copy(kept(GetParam()), path_, std::filesystem::copy_options::recursive);
  }
  test::TempDirectory directory_;
  std::filesystem::path path_ = directory_.path() / "store";
};

INSTANTIATE_TEST_SUITE_P(Version, GoldenStoreTest, testing::Values(kVersion1, kVersion2, kVersion3),
                         [](const auto& one) { return "StoreV" + std::to_string(one.index + 1); });

TEST_P(GoldenStoreTest, OpensReadsTheSameAndGoesOn) {
  const StoreOptions options{.spare_segments = 0, .domain = DomainRequest::kEmulated};
  Expected expected = expected_content(GetParam());
  for (int life = 0; life < 2; ++life) {
    ASSERT_OK_AND_ASSIGN(Store store, Store::open(path_, options));
    EXPECT_TRUE(store.recovery().log.clean_shutdown);
    EXPECT_EQ(store.keyspaces().size(), 2U);
    ASSERT_OK_AND_ASSIGN(const Keyspace reverse, store.keyspace("reverse"));
    EXPECT_EQ(content(store.iterate()), expected.plain);
    EXPECT_EQ(content(store.iterate(reverse)), expected.reverse);
    for (const auto& [key, value] : expected.reverse) {
      ASSERT_OK_AND_ASSIGN(const auto found, store.get(reverse, as_bytes(key)));
      ASSERT_TRUE(found.has_value()) << key;
      EXPECT_EQ(found->text(), value);
    }
    ASSERT_OK(store.put(as_bytes("one more"), as_bytes(std::to_string(life))));
    expected.plain["one more"] = std::to_string(life);
    ASSERT_OK(store.flush());
    ASSERT_OK(store.compact());
    EXPECT_EQ(content(store.iterate()), expected.plain);
    ASSERT_OK(store.close());
  }
}

TEST_P(GoldenStoreTest, HasNoDamage) {
  PosixFileSystem files;
  DeterministicExecutor executor(1);
  ASSERT_OK_AND_ASSIGN(const auto log, verify_directory(files, executor, path_));
  EXPECT_THAT(log.damage, testing::IsEmpty());
  ASSERT_OK_AND_ASSIGN(
      const auto tables,
      store::verify_tables(files, executor, {.directory = path_, .log_uuid = log.superblock.uuid}));
  EXPECT_THAT(tables.damage, testing::IsEmpty());
  EXPECT_EQ(tables.tables, GetParam().loads ? 4U : 3U);
}

TEST(GoldenStoreWriter, WritesTheSameBytesAsEver) {
  const char* const out = std::getenv("NACRE_GOLDEN_STORE_OUT");
  const test::TempDirectory directory;
  const std::filesystem::path store =
      (out == nullptr ? directory.path() : std::filesystem::path(out)) / kToday.directory;
  ASSERT_OK(write_golden(store));
  if (out != nullptr) std::filesystem::remove(store / "LOCK");
  EXPECT_THAT(
      test::changed_files(test::directory_content(kept(kToday)), test::directory_content(store)),
      testing::IsEmpty())
      << "the format has changed; see the head of golden_test.cc";
}

// Where the manifest is lost, a table of the first version cannot say whose it is.
TEST_P(GoldenStoreTest, IsRepairedWithoutItsManifest) {
  for (const auto& segment : std::filesystem::directory_iterator(path_ / "segments")) {
    const std::string bytes = test::file_content(segment.path()).substr(0, kSegmentDataOffset);
    const auto header = decode_segment_header(as_bytes(bytes));
    if (header && header->state.use != SegmentUse::kFree && header->state.lane == 0) {
      std::filesystem::remove(segment.path());
    }
  }
  const std::filesystem::path saved = directory_.path() / "saved";
  const StoreOptions options{.domain = DomainRequest::kEmulated};
  ASSERT_OK(Store::repair(path_, saved, options));
  ASSERT_OK_AND_ASSIGN(const Store store, Store::open(saved, options));
  const Expected expected = expected_content(GetParam());
  const auto names = store.keyspaces();
  const bool tells = GetParam().directory == kVersion3.directory;
  EXPECT_EQ(std::ranges::find(names, "reverse") != names.end(), tells);
  std::size_t found = 0;
  for (const std::string& name : names) {
    ASSERT_OK_AND_ASSIGN(const Keyspace keyspace, store.keyspace(name));
    found += content(store.iterate(keyspace)).size();
  }
  EXPECT_GE(found, expected.plain.size() + expected.reverse.size());
}

}  // namespace
}  // namespace nacre
