// What damage to the files of a store does: it is found, the error names file and offset, and what
// lies elsewhere can be read.

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "lib/store/table_format.h"
#include "tests/lib/store/store_fault_fixture.h"
#include "tests/support/file_bytes.h"

namespace nacre {
namespace {

using test::file_content;
using test::flip_bit;
using test::has_code;
using test::LogPlace;
using testing::HasSubstr;

struct Place {
  std::filesystem::path file;
  std::uint64_t offset = 0;
};

class StoreDamageTest : public test::StoreFaultFixture {
 protected:
  void close() {
    ASSERT_OK(store_->close());
    store_.reset();
  }
  /// The one table there is.
  std::filesystem::path table() const {
    return std::filesystem::directory_iterator(path() / "tables")->path();
  }
  /// Where the log holds `text`.
  Place find_in_log(std::string_view text) const {
    for (const auto& entry : std::filesystem::directory_iterator(path() / "segments")) {
      const std::size_t at = file_content(entry.path()).find(text);
      if (at != std::string::npos) return {.file = entry.path(), .offset = at};
    }
    ADD_FAILURE() << "no segment holds \"" << text << '"';
    return {};
  }
  void expect_refused(const Place& damaged) {
    flip_bit(damaged.file, damaged.offset);
    const auto opened = Store::open(path(), options());
    ASSERT_THAT(opened, has_code(ErrorCode::kCorruption)) << damaged.offset;
    EXPECT_EQ(opened.error().path(), damaged.file.string()) << damaged.offset;
    EXPECT_TRUE(opened.error().offset().has_value()) << opened.error().to_string();
    flip_bit(damaged.file, damaged.offset);
  }
};

TEST_P(StoreDamageTest, OneBlockOfATableTakesNoOtherWithIt) {
  open();
  ASSERT_OK_AND_ASSIGN(const Keyspace other, store_->create_keyspace("other"));
  ASSERT_OK(put_some(100));
  ASSERT_OK(store_->flush());
  ASSERT_OK(store_->put(other, as_bytes("key"), as_bytes("value")));
  close();
  const std::uint64_t begin = store::kTableDataOffset + 2 * store::kTableBlockBytes;
  const std::filesystem::path damaged = table();
  flip_bit(damaged, begin + 12345);
  open();
  std::size_t lost = 0;
  for (const auto& [key, value] : acknowledged_) {
    const auto found = store_->get(as_bytes(key));
    if (!found) {
      ++lost;
      ASSERT_THAT(found, has_code(ErrorCode::kCorruption));
      EXPECT_EQ(found.error().path(), damaged.string());
      EXPECT_EQ(found.error().offset(), begin);
    } else {
      ASSERT_TRUE(found->has_value()) << key;
      EXPECT_TRUE((*found)->text() == value) << key;
    }
  }
  EXPECT_GT(lost, 0U);
  EXPECT_LE(lost, store::kTableBlockBytes / 3000 + 2);
  StoreIterator at = store_->iterate();
  std::size_t walked = 0;
  for (at.seek_first(); at.valid(); at.next()) ++walked;
  EXPECT_GT(walked, 0U);
  EXPECT_THAT(at.status(), has_code(ErrorCode::kCorruption));
  EXPECT_EQ(at.status().error().path(), damaged.string());
  at.seek_last();
  EXPECT_TRUE(at.valid()) << "the last key is in a sound block";
  ASSERT_OK_AND_ASSIGN(const auto elsewhere,
                       store_->get(*store_->keyspace("other"), as_bytes("key")));
  EXPECT_EQ(elsewhere->text(), "value");
}

TEST_P(StoreDamageTest, ADamagedBlockEndsAMergeAndTakesNothingAway) {
  open();
  ASSERT_OK(put_some(100));
  ASSERT_OK(store_->flush());
  close();
  const std::filesystem::path damaged = table();
  flip_bit(damaged, store::kTableDataOffset + 100);
  open();
  ASSERT_OK(put("behind"));
  ASSERT_OK(store_->flush());
  const Status merged = store_->compact();
  ASSERT_THAT(merged, has_code(ErrorCode::kCorruption));
  EXPECT_EQ(merged.error().path(), damaged.string());
  EXPECT_EQ(merged.error().offset(), store::kTableDataOffset);
  EXPECT_EQ(table_files(), 2U);
  // What cannot be merged can be written to all the same, and flushed.
  ASSERT_OK(put("more"));
  ASSERT_OK(store_->flush());
  ASSERT_OK_AND_ASSIGN(const auto found, store_->get(as_bytes("more")));
  EXPECT_TRUE(found.has_value());
}

TEST_P(StoreDamageTest, ATablesHeaderAndIndexesAreLookedAtWhenTheStoreIsOpened) {
  open();
  ASSERT_OK(put_some(5));
  ASSERT_OK(store_->flush());
  close();
  const std::filesystem::path damaged = table();
  const std::uint64_t bytes = std::filesystem::file_size(damaged);
  for (const std::uint64_t offset : {std::uint64_t{3}, std::uint64_t{100}, bytes - 1}) {
    expect_refused({.file = damaged, .offset = offset});
  }
  open();
  expect_all_there();
}

TEST_P(StoreDamageTest, ATableThatIsLostIsNamed) {
  open();
  ASSERT_OK(put_some(5));
  ASSERT_OK(store_->flush());
  close();
  const std::filesystem::path lost = table();
  std::filesystem::rename(lost, path() / "kept");
  const auto opened = Store::open(path(), options());
  ASSERT_THAT(opened, has_code(ErrorCode::kCorruption));
  EXPECT_EQ(opened.error().path(), lost.string());
  std::filesystem::rename(path() / "kept", lost);
  open();
  expect_all_there();
}

TEST_P(StoreDamageTest, TheManifestIsNotBelievedInPart) {
  open();
  ASSERT_OK(store_->create_keyspace("first-of-them"));
  ASSERT_OK(put_some(2));
  ASSERT_OK(store_->flush());
  ASSERT_OK(store_->create_keyspace("last-of-them"));
  close();
  for (const char* text : {"default", "first-of-them", "last-of-them"}) {
    SCOPED_TRACE(text);
    expect_refused(find_in_log(text));
  }
  open();
  expect_all_there();
}

TEST_P(StoreDamageTest, AWriteInTheLogIsNotLeftOut) {
  open();
  for (const char* key : {"first write", "write between", "last write"}) ASSERT_OK(put(key));
  close();
  for (const char* key : {"first write", "write between", "last write"}) {
    SCOPED_TRACE(key);
    expect_refused(find_in_log(key));
  }
  open();
  expect_all_there();
}

TEST_P(StoreDamageTest, HasOneWriterAtATime) {
  open();
  const auto second = Store::open(path(), options());
  ASSERT_THAT(second, has_code(ErrorCode::kBusy));
  EXPECT_THAT(second.error().path(), HasSubstr(path().string()));
  ASSERT_OK(put_some(3));
  reopen();
  expect_all_there();
}

TEST_P(StoreDamageTest, RefusesABudgetThatIsTooSmall) {
  StoreOptions small = options();
  small.memtable_bytes = (std::uint64_t{1} << 20) - 1;
  const auto opened = Store::open(path(), small);
  ASSERT_THAT(opened, has_code(ErrorCode::kInvalidArgument));
  EXPECT_THAT(opened.error().message(), HasSubstr("1 MiB"));
  EXPECT_FALSE(std::filesystem::exists(path()));
  open();
}

INSTANTIATE_TEST_SUITE_P(Domains, StoreDamageTest,
                         testing::Values(LogPlace::kBlock, LogPlace::kEmulatedInMemory),
                         test::place_name);

}  // namespace
}  // namespace nacre
