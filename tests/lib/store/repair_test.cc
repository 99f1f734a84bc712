// Store::repair: whatever is damaged, everything else comes back, and what does not is listed.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "lib/base/endian.h"
#include "lib/codec/crc32c.h"
#include "lib/store/table_format.h"
#include "mmap/segment_format.h"
#include "nacre/random.h"
#include "nacre/store.h"
#include "nacre/wal.h"
#include "tests/lib/store/append_operator.h"
#include "tests/support/file_bytes.h"
#include "tests/support/result_matchers.h"
#include "tests/support/seed.h"
#include "tests/support/temp_directory.h"

namespace nacre {
namespace {

using test::append;
using test::has_code;
using testing::HasSubstr;
using testing::IsEmpty;
using Model = std::map<std::string, std::string>;

class RepairTest : public testing::Test {
 protected:
  static StoreOptions options() {
    return {.memtable_bytes = std::uint64_t{1} << 20,
            .write_lanes = 2,
            .segment_bytes = std::uint64_t{256} << 10,
            .domain = DomainRequest::kEmulated,
            .merge = append()};
  }
  Result<Store> open() { return Store::open(path_, options()); }
  Result<RepairReport> repair() { return Store::repair(path_, saved_, options()); }

  static std::string key_of(int i) {
    std::string digits = std::to_string(i);
    return "key" + digits.insert(0, 6 - digits.size(), '0');
  }
  /// So many that their table has several blocks.
  static void fill(Store& store, Keyspace keyspace, const std::string& value, int count = 4000) {
    const std::string padding(60, 'p');
    for (int i = 0; i < count; ++i) {
      ASSERT_OK(store.put(keyspace, as_bytes(key_of(i)), as_bytes(value + padding)));
    }
  }
  static Model content(const Store& store, std::string_view keyspace = kDefaultKeyspace) {
    Model all;
    const auto found = store.keyspace(keyspace);
    EXPECT_OK(found);
    if (!found) return all;
    StoreIterator iterator = store.iterate(*found);
    for (iterator.seek_first(); iterator.valid(); iterator.next()) {
      all.emplace(as_text(iterator.key()), as_text(iterator.value()));
    }
    EXPECT_OK(iterator.status());
    return all;
  }
  Model saved(std::string_view keyspace = kDefaultKeyspace) {
    auto store = Store::open(saved_, options());
    EXPECT_OK(store);
    return store ? content(*store, keyspace) : Model();
  }
  /// Of `path`, sorted.
  static std::vector<std::filesystem::path> files(const std::filesystem::path& path) {
    std::vector<std::filesystem::path> all;
    for (const auto& entry : std::filesystem::directory_iterator(path)) all.push_back(entry.path());
    std::ranges::sort(all);
    return all;
  }
  std::vector<std::filesystem::path> tables() const { return files(path_ / "tables"); }
  /// The first segment that a lane has.
  std::filesystem::path segment_of(std::uint32_t lane) const {
    for (const auto& path : files(path_ / "segments")) {
      const std::string bytes = test::file_content(path).substr(0, kSegmentDataOffset);
      const auto header = decode_segment_header(as_bytes(bytes));
      if (header && header->state.use != SegmentUse::kFree && header->state.lane == lane) {
        return path;
      }
    }
    return {};
  }
  static std::vector<std::string> lost_files(const RepairReport& report) {
    std::vector<std::string> all;
    for (const RepairLoss& loss : report.losses) all.push_back(loss.path);
    return all;
  }

  test::TempDirectory directory_ = test::TempDirectory::on_tmpfs();
  std::filesystem::path path_ = directory_.path() / "store";
  std::filesystem::path saved_ = directory_.path() / "saved";
};

TEST_F(RepairTest, ASoundStoreComesBackWhole) {
  Model expected;
  Model expected_users;
  {
    ASSERT_OK_AND_ASSIGN(Store store, open());
    ASSERT_OK_AND_ASSIGN(
        const Keyspace users,
        store.create_keyspace("users", {.comparator = Comparator::reverse_bytewise()}));
    ASSERT_OK_AND_ASSIGN(const Keyspace gone, store.create_keyspace("gone"));
    const Keyspace main = store.default_keyspace();
    fill(store, main, "one");
    ASSERT_OK(store.merge(as_bytes("merged"), as_bytes("a")));
    ASSERT_OK(store.merge(as_bytes("merged"), as_bytes("b")));
    ASSERT_OK(store.put(gone, as_bytes("x"), as_bytes("y")));
    ASSERT_OK(store.flush());
    ASSERT_OK(store.compact());
    fill(store, users, "user", 100);
    ASSERT_OK(store.merge(as_bytes("merged"), as_bytes("c")));
    ASSERT_OK(store.remove_range(as_bytes(key_of(10)), as_bytes(key_of(20))));
    ASSERT_OK(store.flush());
    ASSERT_OK(store.drop_keyspace(gone));
    ASSERT_OK(store.remove(as_bytes(key_of(5))));
    ASSERT_OK(store.put(as_bytes(key_of(15)), as_bytes("again")));
    WriteBatch batch;
    batch.put(as_bytes("batched"), as_bytes("early"));
    batch.remove_range(as_bytes("b"), as_bytes("c"));
    batch.put(users, as_bytes("batched"), as_bytes("first"));
    batch.put(users, as_bytes("batched"), as_bytes("last"));
    batch.merge(as_bytes("merged"), as_bytes("d"));
    batch.merge(as_bytes("merged"), as_bytes("e"));
    ASSERT_OK(store.write(batch));
    expected = content(store);
    expected_users = content(store, "users");
    EXPECT_EQ(expected.at("merged"), "abcde");
    ASSERT_OK(store.close());
  }
  const auto before = test::directory_content(path_);
  ASSERT_OK_AND_ASSIGN(const RepairReport report, repair());
  EXPECT_THAT(report.losses, IsEmpty());
  EXPECT_THAT(report.notes, IsEmpty());
  EXPECT_EQ(report.keyspaces, 2U);
  EXPECT_EQ(report.damaged_tables, 0U);
  EXPECT_GT(report.tables, 0U);
  EXPECT_EQ(report.log_records, 3U);
  EXPECT_EQ(saved(), expected);
  EXPECT_EQ(saved("users"), expected_users);
  EXPECT_THAT(test::changed_files(before, test::directory_content(path_)), IsEmpty());
  // It goes on as a store does.
  ASSERT_OK_AND_ASSIGN(Store store, Store::open(saved_, options()));
  EXPECT_EQ(store.recovery().orphans_removed, 0U);
  ASSERT_OK(store.put(as_bytes(key_of(1)), as_bytes("newer")));
  ASSERT_OK(store.flush());
  ASSERT_OK(store.compact());
  expected[key_of(1)] = "newer";
  EXPECT_EQ(content(store), expected);
}

TEST_F(RepairTest, ADamagedBlockOfATableCostsWhatIsInIt) {
  Model expected;
  {
    ASSERT_OK_AND_ASSIGN(Store store, open());
    fill(store, store.default_keyspace(), "one");
    ASSERT_OK(store.flush());
    expected = content(store);
    ASSERT_OK(store.close());
  }
  const auto table = tables().at(0);
  const std::uint64_t block = store::kTableDataOffset + store::kTableBlockBytes;
  test::flip_bit(table, block + 1000);
  ASSERT_OK_AND_ASSIGN(const RepairReport report, repair());
  ASSERT_EQ(report.losses.size(), 1U);
  EXPECT_EQ(report.losses[0].path, table.string());
  EXPECT_EQ(report.losses[0].offset, block);
  EXPECT_EQ(report.losses[0].bytes, store::kTableBlockBytes);
  EXPECT_EQ(report.damaged_tables, 1U);
  const Model found = saved();
  // Entries of 64 + 9 + 20 bytes; those that reach into the block from both sides go with it.
  const std::size_t in_block = store::kTableBlockBytes / 96;
  EXPECT_GE(found.size(), expected.size() - in_block - 2);
  EXPECT_LT(found.size(), expected.size());
  for (const auto& [key, value] : found) EXPECT_EQ(expected.at(key), value);
  // The first and the last are there: both sides of the damage.
  EXPECT_TRUE(found.contains(key_of(0)));
  EXPECT_TRUE(found.contains(key_of(3999)));
}

TEST_F(RepairTest, DamageBesideTheEntriesOfATableCostsNone) {
  Model expected;
  {
    ASSERT_OK_AND_ASSIGN(Store store, open());
    fill(store, store.default_keyspace(), "one");
    ASSERT_OK(store.flush());
    expected = content(store);
    ASSERT_OK(store.close());
  }
  const auto table = tables().at(0);
  const std::string whole = test::file_content(table);
  store::TableHeader header;
  std::memcpy(&header, whole.data(), sizeof header);
  // The header, and each area, one at a time; of the checksums the last, which is of padding.
  for (const std::uint64_t offset :
       {std::uint64_t{50}, std::uint64_t{4000}, std::uint64_t{header.hash_index.offset},
        std::uint64_t{header.sparse_index.offset}, std::uint64_t{header.names.offset},
        std::uint64_t{header.checksums.offset} + header.checksums.bytes - 1}) {
    test::flip_bit(table, offset);
    ASSERT_OK_AND_ASSIGN(const RepairReport report, repair());
    EXPECT_THAT(lost_files(report), testing::Contains(table.string())) << offset;
    EXPECT_EQ(saved(), expected) << offset;
    std::filesystem::remove_all(saved_);
    test::write_content(table, whole);
  }
}

TEST_F(RepairTest, AMissingTableIsListedAndTheLogIsAskedForIt) {
  {
    ASSERT_OK_AND_ASSIGN(Store store, open());
    ASSERT_OK(store.put(as_bytes("old"), as_bytes("1")));
    ASSERT_OK(store.flush());
    ASSERT_OK(store.put(as_bytes("newer"), as_bytes("2")));
    ASSERT_OK(store.close());
  }
  const auto table = tables().at(0);
  std::filesystem::remove(table);
  ASSERT_OK_AND_ASSIGN(const RepairReport report, repair());
  EXPECT_THAT(lost_files(report), testing::ElementsAre(table.string()));
  // Segments go as a whole, so that this one still has the record.
  EXPECT_EQ(saved(), (Model{{"old", "1"}, {"newer", "2"}}));
  EXPECT_THAT(report.notes, testing::Contains(HasSubstr("may be back")));
}

TEST_F(RepairTest, ADamagedRecordOfTheLogCostsItself) {
  std::uint64_t records = 0;
  {
    ASSERT_OK_AND_ASSIGN(Store store, open());
    for (int i = 0; i < 100; ++i) {
      ASSERT_OK(store.put(as_bytes(key_of(i)), as_bytes("value " + std::to_string(i))));
    }
    records = store.recovery().replayed_writes + 100;
    ASSERT_OK(store.close());
  }
  // One thread writes on one lane: the tenth record.
  std::filesystem::path segment = segment_of(1);
  if (segment.empty()) segment = segment_of(2);
  const std::uint64_t offset = kSegmentDataOffset + 10 * 64;
  test::flip_bit(segment, offset + 30);
  ASSERT_OK_AND_ASSIGN(const RepairReport report, repair());
  ASSERT_EQ(report.losses.size(), 1U);
  EXPECT_EQ(report.losses[0].path, segment.string());
  EXPECT_EQ(report.losses[0].offset, offset);
  EXPECT_EQ(report.losses[0].bytes, 64U);
  EXPECT_EQ(report.log_records, records - 1);
  EXPECT_EQ(saved().size(), 99U);
}

// The note was there for damaged tables and manifests alone.
TEST_F(RepairTest, WhereALogIsLostWhatItRemovedMayBeBack) {
  {
    ASSERT_OK_AND_ASSIGN(Store store, open());
    ASSERT_OK(store.put(as_bytes("removed"), as_bytes("1")));
    ASSERT_OK(store.flush());
    ASSERT_OK(store.remove(as_bytes("removed")));
    ASSERT_OK(store.close());
  }
  std::filesystem::path segment = segment_of(1);
  if (segment.empty()) segment = segment_of(2);
  ASSERT_TRUE(std::filesystem::remove(segment));
  ASSERT_OK_AND_ASSIGN(const RepairReport report, repair());
  EXPECT_FALSE(report.losses.empty());
  EXPECT_EQ(saved(), (Model{{"removed", "1"}}));
  EXPECT_THAT(report.notes, testing::Contains(HasSubstr("may be back")));
}

TEST_F(RepairTest, ATornTailIsNoLoss) {
  {
    ASSERT_OK_AND_ASSIGN(Store store, open());
    for (int i = 0; i < 10; ++i) {
      ASSERT_OK(store.put(as_bytes(key_of(i)), as_bytes("value")));
    }
    // As a process that is killed leaves it.
    std::filesystem::copy(path_, path_.string() + "2", std::filesystem::copy_options::recursive);
    ASSERT_OK(store.close());
  }
  path_ += "2";
  std::filesystem::path segment = segment_of(1);
  if (segment.empty()) segment = segment_of(2);
  test::flip_bit(segment, kSegmentDataOffset + 9 * 64 + 30);
  ASSERT_OK_AND_ASSIGN(const RepairReport report, repair());
  EXPECT_THAT(report.losses, IsEmpty());
  EXPECT_EQ(saved().size(), 9U);
}

// Of several keyspaces each table got one of its own, with a made-up name.
TEST_F(RepairTest, WithoutAManifestTablesTellWhoseTheyAre) {
  Model expected;
  Model expected_counts;
  StoreOptions with_operators = options();
  with_operators.merge_operators = {append()};
  {
    ASSERT_OK_AND_ASSIGN(Store store, Store::open(path_, with_operators));
    ASSERT_OK_AND_ASSIGN(
        const Keyspace users,
        store.create_keyspace("users", {.comparator = Comparator::reverse_bytewise()}));
    ASSERT_OK_AND_ASSIGN(const Keyspace counts,
                         store.create_keyspace("counts", {.merge = append()}));
    fill(store, store.default_keyspace(), "default", 100);
    fill(store, users, "user", 500);
    ASSERT_OK(store.merge(counts, as_bytes("seen"), as_bytes("1")));
    ASSERT_OK(store.flush());
    fill(store, users, "again", 10);
    ASSERT_OK(store.merge(counts, as_bytes("seen"), as_bytes("1")));
    expected = content(store, "users");
    expected_counts = content(store, "counts");
    ASSERT_OK(store.close());
  }
  std::filesystem::remove(segment_of(0));
  ASSERT_OK_AND_ASSIGN(const RepairReport report, repair());
  EXPECT_THAT(report.notes, testing::Contains(HasSubstr("\"users\"")));
  ASSERT_OK_AND_ASSIGN(const Store store, Store::open(saved_, with_operators));
  EXPECT_THAT(store.keyspaces(), testing::UnorderedElementsAre("default", "users", "counts"));
  EXPECT_EQ(content(store).size(), 100U);
  EXPECT_EQ(content(store, "users"), expected);
  EXPECT_EQ(content(store, "counts"), expected_counts);
}

// The record that names a table may be lost, and the one that drops its keyspace not.
TEST_F(RepairTest, ATableOfADroppedKeyspaceStaysGone) {
  std::string before;
  std::string table;
  std::filesystem::path file;
  {
    ASSERT_OK_AND_ASSIGN(Store store, open());
    ASSERT_OK_AND_ASSIGN(const Keyspace gone, store.create_keyspace("gone"));
    fill(store, gone, "gone", 10);
    ASSERT_OK(store.flush());
    file = tables().front();
    table = test::file_content(file);
    before = test::file_content(segment_of(0));
    ASSERT_OK(store.drop_keyspace(gone));
    ASSERT_OK(store.close());
  }
  // The crash came before it was removed.
  test::write_content(file, table);
  const auto manifest = segment_of(0);
  const std::string whole = test::file_content(manifest);
  const auto dropped = std::ranges::mismatch(whole.begin() + kSegmentDataOffset, whole.end(),
                                             before.begin() + kSegmentDataOffset, before.end())
                           .in1 -
                       whole.begin();
  ASSERT_GT(dropped, kSegmentDataOffset + 100);
  for (auto offset = kSegmentDataOffset; offset < static_cast<std::uint64_t>(dropped);
       offset += 13) {
    test::flip_bit(manifest, offset);
    ASSERT_OK(repair());
    ASSERT_OK_AND_ASSIGN(const Store store, Store::open(saved_, options()));
    EXPECT_THAT(store.keyspaces(), testing::ElementsAre("default")) << offset;
    EXPECT_THAT(content(store), IsEmpty()) << offset;
    std::filesystem::remove_all(saved_);
    test::write_content(manifest, whole);
  }
}

TEST_F(RepairTest, WithoutAManifestNothingOfTheDefaultKeyspaceIsMissing) {
  Model expected;
  {
    ASSERT_OK_AND_ASSIGN(Store store, open());
    fill(store, store.default_keyspace(), "one");
    ASSERT_OK(store.flush());
    fill(store, store.default_keyspace(), "two", 500);
    ASSERT_OK(store.flush());
    ASSERT_OK(store.put(as_bytes("in the log"), as_bytes("3")));
    expected = content(store);
    ASSERT_OK(store.close());
  }
  const auto manifest = segment_of(0);
  for (const std::uint64_t slot : {0U, 1U}) test::flip_bit(manifest, slot * kSegmentSlotBytes + 20);
  ASSERT_OK_AND_ASSIGN(const RepairReport report, repair());
  EXPECT_THAT(lost_files(report), testing::Contains(manifest.string()));
  EXPECT_FALSE(report.notes.empty());
  EXPECT_EQ(saved(), expected);

  std::filesystem::remove_all(saved_);
  std::filesystem::remove(manifest);
  ASSERT_OK_AND_ASSIGN(const RepairReport without, repair());
  EXPECT_FALSE(without.losses.empty());
  EXPECT_EQ(saved(), expected);
}

TEST_F(RepairTest, EveryBitOfTheManifestMayBeWrong) {
  Model expected;
  Model expected_users;
  {
    ASSERT_OK_AND_ASSIGN(Store store, open());
    ASSERT_OK_AND_ASSIGN(const Keyspace users, store.create_keyspace("users"));
    for (int i = 0; i < 3; ++i) {
      fill(store, store.default_keyspace(), std::to_string(i), 50 + i);
      fill(store, users, "u" + std::to_string(i), 20 + i);
      ASSERT_OK(store.flush());
    }
    ASSERT_OK(store.put(as_bytes("in the log"), as_bytes("3")));
    expected = content(store);
    expected_users = content(store, "users");
    ASSERT_OK(store.close());
  }
  const auto manifest = segment_of(0);
  const std::string whole = test::file_content(manifest);
  for (std::size_t offset = kSegmentDataOffset; offset < kSegmentDataOffset + 700; offset += 37) {
    test::flip_bit(manifest, offset);
    ASSERT_OK_AND_ASSIGN(const RepairReport report, repair());
    ASSERT_OK_AND_ASSIGN(Store store, Store::open(saved_, options()));
    EXPECT_EQ(content(store), expected) << offset;
    EXPECT_EQ(content(store, "users"), expected_users) << offset;
    ASSERT_OK(store.close());
    std::filesystem::remove_all(saved_);
    test::write_content(manifest, whole);
  }
}

TEST_F(RepairTest, WithoutASuperblockTheSegmentsTellWhoItWas) {
  {
    ASSERT_OK_AND_ASSIGN(Store store, open());
    fill(store, store.default_keyspace(), "one", 100);
    ASSERT_OK(store.flush());
    ASSERT_OK(store.put(as_bytes("in the log"), as_bytes("3")));
    ASSERT_OK(store.close());
  }
  const auto superblock = path_ / "SUPERBLOCK";
  test::flip_bit(superblock, 20);
  for (int round = 0; round < 2; ++round) {
    ASSERT_OK_AND_ASSIGN(const RepairReport report, repair());
    EXPECT_THAT(lost_files(report), testing::ElementsAre(superblock.string()));
    EXPECT_EQ(saved().size(), 101U);
    std::filesystem::remove_all(saved_);
    std::filesystem::remove(superblock);
  }
}

TEST_F(RepairTest, RandomDamageNeverMakesUpAnything) {
  const std::uint64_t seed = test::seed();
  SeededRandom random(seed);
  Model expected;
  {
    ASSERT_OK_AND_ASSIGN(Store store, open());
    for (int i = 0; i < 3; ++i) {
      fill(store, store.default_keyspace(), "v", 1500);
      if (i == 2) continue;
      ASSERT_OK(store.flush());
    }
    expected = content(store);
    ASSERT_OK(store.close());
  }
  const auto sound = test::directory_content(path_);
  for (int round = 0; round < 30; ++round) {
    for (std::uint64_t flips = 1 + uniform_below(random, 8); flips > 0; --flips) {
      auto file = sound.begin();
      std::advance(file, static_cast<long>(uniform_below(random, sound.size())));
      if (file->second.empty()) continue;
      test::flip_bit(path_ / file->first, uniform_below(random, file->second.size()));
    }
    ASSERT_OK_AND_ASSIGN(const RepairReport report, repair());
    // All values are the same, whichever version is left.
    for (const auto& [key, value] : saved()) {
      ASSERT_TRUE(expected.contains(key)) << round;
      EXPECT_EQ(expected.at(key), value) << round;
    }
    std::filesystem::remove_all(saved_);
    for (const auto& [name, content] : sound) test::write_content(path_ / name, content);
  }
}

TEST_F(RepairTest, NothingIsMadeWhereThereIsNoStore) {
  std::filesystem::create_directory(path_);
  EXPECT_THAT(repair(), has_code(ErrorCode::kNotFound));
  EXPECT_TRUE(std::filesystem::is_empty(path_));
}

TEST_F(RepairTest, Errors) {
  EXPECT_THAT(repair(), has_code(ErrorCode::kNotFound));
  {
    ASSERT_OK_AND_ASSIGN(Store store, open());
    const Comparator own =
        Comparator::custom("own", [](Bytes a, Bytes b) { return a.size() <=> b.size(); });
    ASSERT_OK(store.create_keyspace("ordered", {.comparator = own}));
    ASSERT_OK(store.close());
  }
  const auto refused = repair();
  ASSERT_THAT(refused, has_code(ErrorCode::kInvalidArgument));
  EXPECT_THAT(refused.error().message(), HasSubstr("\"own\""));
  EXPECT_FALSE(std::filesystem::exists(saved_));

  const auto wal = directory_.path() / "wal";
  ASSERT_OK(Wal::open(wal, {.domain = DomainRequest::kEmulated}));
  EXPECT_THAT(Store::repair(wal, saved_, options()), has_code(ErrorCode::kInvalidArgument));
  std::filesystem::remove_all(path_);
  {
    ASSERT_OK_AND_ASSIGN(Store store, open());
    ASSERT_OK(store.close());
  }
  EXPECT_THAT(Store::repair(path_, path_, options()), has_code(ErrorCode::kBusy));
  EXPECT_THAT(Store::repair(path_, directory_.path() / "no" / "such", options()),
              has_code(ErrorCode::kNotFound));
  const auto superblock = path_ / "SUPERBLOCK";
  std::string content = test::file_content(superblock);
  content[12] = 9;
  const le32 crc = ~crc32c(~0U, as_bytes(content).subspan(12));
  content.replace(8, 4, reinterpret_cast<const char*>(&crc), 4);
  test::write_content(superblock, content);
  EXPECT_THAT(repair(), has_code(ErrorCode::kUnsupported));
}

}  // namespace
}  // namespace nacre
