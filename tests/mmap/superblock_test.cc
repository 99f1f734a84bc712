#include "mmap/superblock.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <string>

#include "lib/base/endian.h"
#include "lib/codec/crc32c.h"
#include "mmap/segment_format.h"
#include "nacre/emulation/fault_file_system.h"
#include "tests/support/checked_file_damage.h"
#include "tests/support/file_bytes.h"
#include "tests/support/result_matchers.h"
#include "tests/support/temp_directory.h"

namespace nacre {
namespace {

using test::has_code;

class SuperblockTest : public testing::Test {
 protected:
  Status write(const Superblock& superblock) {
    return write_superblock(files_, directory_.path(), superblock);
  }
  Result<Superblock> read() { return read_superblock(files_, directory_.path()); }
  std::filesystem::path path() const { return directory_.path() / kSuperblockName; }
  test::ReadStatus read_status() {
    return test::status_of([this] { return read(); });
  }

  test::TempDirectory directory_;
  PosixFileSystem posix_;
  FaultFileSystem files_{posix_};
  const Superblock example_{.uuid = {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}},
                            .kind = LogKind::kMessageLog,
                            .segment_bytes = 0x120000};
};

TEST_F(SuperblockTest, ReadsBackWhatWasWritten) {
  for (const LogKind kind : {LogKind::kWal, LogKind::kMessageLog, LogKind::kStore}) {
    for (const std::uint64_t bytes : {kMinSegmentBytes, kDefaultSegmentBytes, kMaxSegmentBytes}) {
      ASSERT_OK(write({.uuid = example_.uuid, .kind = kind, .segment_bytes = bytes}));
      ASSERT_OK_AND_ASSIGN(const Superblock found, read());
      EXPECT_EQ(found.uuid, example_.uuid);
      EXPECT_EQ(found.kind, kind);
      EXPECT_EQ(found.segment_bytes, bytes);
    }
  }
}

TEST_F(SuperblockTest, TheFileIsAsTheFormatSays) {
  ASSERT_OK(write(example_));
  const std::string content = test::file_content(path());
  std::string covered("\x01\0\0\0\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10",
                      20);
  covered += std::string("\x02\0\0\0\0\0\0\0\0\0\x12\0\0\0\0\0", 16) + std::string(16, '\0');
  const le32 crc = ~crc32c(~0U, as_bytes(covered));
  EXPECT_EQ(content, "NACRELOG" + std::string(reinterpret_cast<const char*>(&crc), 4) + covered);
}

TEST_F(SuperblockTest, EveryFlippedBitIsFound) {
  ASSERT_OK(write(example_));
  test::expect_every_flipped_bit_is_found(path(), read_status());
}

TEST_F(SuperblockTest, AShortFileIsCorruptAndNamesTheFile) {
  ASSERT_OK(write(example_));
  test::expect_every_cut_is_found(path(), read_status());
}

// A reader takes the first 64 bytes (docs/format/superblock.md).
TEST_F(SuperblockTest, WhatFollowsTheSuperblockIsNotLookedAt) {
  ASSERT_OK(write(example_));
  test::write_content(path(), test::file_content(path()) + "more");
  EXPECT_OK(read());
}

TEST_F(SuperblockTest, AFileOfAnotherSizeAltogetherIsCorrupt) {
  test::write_content(path(), std::string(5000, 'x'));
  EXPECT_THAT(read(), has_code(ErrorCode::kCorruption));
}

TEST_F(SuperblockTest, AnotherMagicIsCorrupt) {
  ASSERT_OK(write(example_));
  std::string content = test::file_content(path());
  content.replace(0, 8, "NACRESEG");
  test::write_checksummed(path(), content);
  const auto found = read();
  ASSERT_THAT(found, has_code(ErrorCode::kCorruption));
  EXPECT_THAT(found.error().message(), testing::HasSubstr("magic"));
}

TEST_F(SuperblockTest, ANewerFormatIsUnsupported) {
  ASSERT_OK(write(example_));
  test::expect_a_newer_format_is_unsupported(path(), read_status());
}

TEST_F(SuperblockTest, AnImpossibleSegmentSizeIsCorrupt) {
  for (const std::uint64_t bytes :
       {std::uint64_t{0}, kMinSegmentBytes - 4096, kMinSegmentBytes + 1, kMaxSegmentBytes + 4096}) {
    ASSERT_OK(write({.uuid = example_.uuid, .kind = LogKind::kWal, .segment_bytes = bytes}));
    EXPECT_THAT(read(), has_code(ErrorCode::kCorruption)) << bytes;
  }
}

TEST_F(SuperblockTest, AnUnknownKindIsCorrupt) {
  ASSERT_OK(write({.uuid = example_.uuid,
                   .kind = static_cast<LogKind>(4),
                   .segment_bytes = kDefaultSegmentBytes}));
  EXPECT_THAT(read(), has_code(ErrorCode::kCorruption));
}

// It spoke of a file that cannot be opened, though a user names a directory.
TEST_F(SuperblockTest, NoFileIsNotFound) {
  const auto none = read();
  ASSERT_THAT(none, has_code(ErrorCode::kNotFound));
  EXPECT_THAT(none.error().message(), testing::HasSubstr("no nacre log"));
  EXPECT_EQ(none.error().path(), directory_.path().string());
}

TEST_F(SuperblockTest, WhatCannotBeReadIsAnIoError) {
  ASSERT_OK(write(example_));
  files_.plan().add({.operation = FileOperation::kRead, .sys_errno = EIO});
  EXPECT_THAT(read(), has_code(ErrorCode::kIo));
}

TEST(MakeUuid, IsARandomVersion4Uuid) {
  SeededRandom random(1);
  const Uuid first = make_uuid(random);
  const Uuid second = make_uuid(random);
  EXPECT_NE(first, second);
  for (const Uuid& uuid : {first, second}) {
    EXPECT_EQ(uuid.bytes[6] >> 4, 4);
    EXPECT_EQ(uuid.bytes[8] >> 6, 2);
  }
}

TEST(LogKindName, NamesEachKind) {
  EXPECT_EQ(log_kind_name(LogKind::kWal), "WAL");
  EXPECT_EQ(log_kind_name(LogKind::kMessageLog), "message log");
  EXPECT_EQ(log_kind_name(LogKind::kStore), "store");
}

}  // namespace
}  // namespace nacre
