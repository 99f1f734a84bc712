#include "lib/log/catalog.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <string>

#include "lib/base/endian.h"
#include "lib/codec/crc32c.h"
#include "nacre/emulation/fault_file_system.h"
#include "tests/support/checked_file_damage.h"
#include "tests/support/file_bytes.h"
#include "tests/support/result_matchers.h"
#include "tests/support/temp_directory.h"

namespace nacre {
namespace {

using test::has_code;

class CatalogTest : public testing::Test {
 protected:
  Status write(const Catalog& catalog) {
    return write_catalog(files_, directory_.path(), uuid_, catalog);
  }
  Result<Catalog> read() { return read_catalog(files_, directory_.path(), uuid_); }
  std::filesystem::path path() const { return directory_.path() / kCatalogName; }
  test::ReadStatus read_status() {
    return test::status_of([this] { return read(); });
  }

  test::TempDirectory directory_;
  PosixFileSystem posix_;
  FaultFileSystem files_{posix_};
  const Uuid uuid_{{1, 2, 3, 4}};
  const Catalog example_{{{.name = "events", .first_lane = 0, .partitions = 2},
                          {.name = "a", .first_lane = 2, .partitions = 1},
                          {.name = std::string(200, 'n'), .first_lane = 3, .partitions = 1024}}};
};

TEST_F(CatalogTest, ReadsBackWhatWasWritten) {
  ASSERT_OK(write({}));
  ASSERT_OK_AND_ASSIGN(const Catalog empty, read());
  EXPECT_TRUE(empty.topics.empty());
  ASSERT_OK(write(example_));
  ASSERT_OK_AND_ASSIGN(const Catalog found, read());
  ASSERT_EQ(found.topics.size(), 3U);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(found.topics[i].name, example_.topics[i].name);
    EXPECT_EQ(found.topics[i].first_lane, example_.topics[i].first_lane);
    EXPECT_EQ(found.topics[i].partitions, example_.topics[i].partitions);
  }
  EXPECT_EQ(found.next_lane(), 1027U);
  EXPECT_EQ(found.find("a")->first_lane, 2U);
  EXPECT_EQ(found.find("b"), nullptr);
}

TEST_F(CatalogTest, TheFileIsAsTheFormatSays) {
  ASSERT_OK(write({{{.name = "ab", .first_lane = 0, .partitions = 3}}}));
  std::string covered("\x01\0\0\0\x01\x02\x03\x04\0\0\0\0\0\0\0\0\0\0\0\0", 20);
  covered +=
      std::string("\x01\0\0\0\0\0\0\0", 8) + std::string("\0\0\0\0\x03\0\0\0\x02\0\0\0ab", 14);
  const le32 crc = ~crc32c(~0U, as_bytes(covered));
  EXPECT_EQ(test::file_content(path()),
            "NACRECAT" + std::string(reinterpret_cast<const char*>(&crc), 4) + covered);
}

TEST_F(CatalogTest, EveryFlippedBitIsFound) {
  ASSERT_OK(write({{{.name = "events", .first_lane = 0, .partitions = 2}}}));
  test::expect_every_flipped_bit_is_found(path(), read_status());
}

TEST_F(CatalogTest, ACutOrGrownFileIsCorrupt) {
  ASSERT_OK(write(example_));
  test::expect_every_cut_is_found(path(), read_status());
  test::write_content(path(), test::file_content(path()) + "x");
  EXPECT_THAT(read(), has_code(ErrorCode::kCorruption));
}

// The checksum is right, and yet no correct writer made it.
TEST_F(CatalogTest, EntriesThatDoNotAddUpAreCorrupt) {
  ASSERT_OK(write(example_));
  const std::string whole = test::file_content(path());
  const auto with = [&whole](std::size_t offset, const std::string& bytes) {
    std::string changed = whole;
    return changed.replace(offset, bytes.size(), bytes);
  };
  constexpr std::size_t kEntries = 40;
  for (const std::string& content :
       {with(32, "\x04"), with(32, "\x02"), with(32, "\xff\xff\xff\xff"), with(kEntries, "\x01"),
        with(kEntries + 4, std::string(4, '\0')), with(kEntries + 8, "\x07"),
        with(kEntries + 8, "\xff\xff"), whole + "x"}) {
    test::write_checksummed(path(), content);
    const auto found = read();
    ASSERT_THAT(found, has_code(ErrorCode::kCorruption));
    EXPECT_EQ(found.error().path(), path().string());
  }
}

TEST_F(CatalogTest, TheCatalogOfAnotherLogIsCorrupt) {
  ASSERT_OK(write(example_));
  EXPECT_THAT(read_catalog(files_, directory_.path(), Uuid{{9}}), has_code(ErrorCode::kCorruption));
}

TEST_F(CatalogTest, ANewerFormatIsUnsupported) {
  ASSERT_OK(write(example_));
  test::expect_a_newer_format_is_unsupported(path(), read_status());
}

TEST_F(CatalogTest, NoFileIsNotFoundAndAnUnreadableOneIsAnIoError) {
  EXPECT_THAT(read(), has_code(ErrorCode::kNotFound));
  ASSERT_OK(write(example_));
  files_.plan().add({.operation = FileOperation::kRead, .sys_errno = EIO});
  EXPECT_THAT(read(), has_code(ErrorCode::kIo));
}

TEST_F(CatalogTest, AWriteThatFailsKeepsTheOldOne) {
  ASSERT_OK(write({{{.name = "old", .first_lane = 0, .partitions = 1}}}));
  for (const FileOperation step : {FileOperation::kCreate, FileOperation::kWrite,
                                   FileOperation::kSync, FileOperation::kRename}) {
    for (const int sys_errno : {EIO, ENOSPC}) {
      files_.plan().add({.operation = step, .sys_errno = sys_errno});
      EXPECT_THAT(write(example_),
                  has_code(sys_errno == EIO ? ErrorCode::kIo : ErrorCode::kNoSpace));
      ASSERT_OK_AND_ASSIGN(const Catalog found, read());
      EXPECT_EQ(found.topics.size(), 1U);
    }
  }
  EXPECT_OK(write(example_));
}

TEST_F(CatalogTest, TooManyTopicsAreRefused) {
  Catalog large;
  for (std::uint32_t i = 0; large.topics.size() * 212 <= kMaxCatalogBytes; ++i) {
    large.topics.push_back({.name = std::string(200, 'n'), .first_lane = i, .partitions = 1});
  }
  EXPECT_THAT(write(large), has_code(ErrorCode::kInvalidArgument));
  large.topics.resize(1000);
  ASSERT_OK(write(large));
  ASSERT_OK_AND_ASSIGN(const Catalog found, read());
  EXPECT_EQ(found.topics.size(), 1000U);
}

TEST(CheckTopicName, TakesWhatTheRuleSays) {
  for (const std::string& name :
       {std::string("a"), std::string("A-z_0.9"), std::string(200, 'x')}) {
    EXPECT_OK(check_topic_name(name));
  }
  for (const std::string& name :
       {std::string(), std::string(".hidden"), std::string("a/b"), std::string("a b"),
        std::string("\xc3\xa4"), std::string("a\0b", 3), std::string(201, 'x')}) {
    EXPECT_THAT(check_topic_name(name), has_code(ErrorCode::kInvalidArgument)) << name;
  }
}

}  // namespace
}  // namespace nacre
