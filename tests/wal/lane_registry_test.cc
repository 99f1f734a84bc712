#include "wal/lane_registry.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <set>
#include <string>

#include "lib/base/endian.h"
#include "lib/codec/crc32c.h"
#include "nacre/emulation/fault_file_system.h"
#include "tests/support/checked_file_damage.h"
#include "tests/support/file_bytes.h"
#include "tests/support/result_matchers.h"
#include "tests/support/temp_directory.h"

namespace nacre::wal {
namespace {

using test::has_code;

class LaneRegistryTest : public testing::Test {
 protected:
  Status write(const std::set<std::uint32_t>& lanes) {
    return write_started_lanes(files_, directory_.path(), uuid_, lanes);
  }
  Result<std::set<std::uint32_t>> read() {
    return read_started_lanes(files_, directory_.path(), uuid_);
  }
  std::filesystem::path path() const { return directory_.path() / kLanesName; }
  test::ReadStatus read_status() {
    return test::status_of([this] { return read(); });
  }

  test::TempDirectory directory_;
  PosixFileSystem posix_;
  FaultFileSystem files_{posix_};
  const Uuid uuid_{{1, 2, 3, 4}};
};

TEST_F(LaneRegistryTest, ReadsBackWhatWasWritten) {
  for (const std::set<std::uint32_t>& lanes :
       {std::set<std::uint32_t>{}, {0}, {0, 1, 255}, {7, 4'000'000'000}}) {
    ASSERT_OK(write(lanes));
    ASSERT_OK_AND_ASSIGN(const auto found, read());
    EXPECT_EQ(found, lanes);
  }
}

TEST_F(LaneRegistryTest, TheFileIsAsTheFormatSays) {
  ASSERT_OK(write({2, 0x01020304}));
  const std::string content = test::file_content(path());
  ASSERT_EQ(content.size(), 48U);
  EXPECT_EQ(content.substr(0, 8), "NACRLANE");
  EXPECT_EQ(content.substr(12, 4), std::string("\x01\x00\x00\x00", 4));
  EXPECT_EQ(content.substr(16, 5), std::string("\x01\x02\x03\x04\x00", 5));
  EXPECT_EQ(content.substr(32, 8), std::string("\x02\x00\x00\x00\x00\x00\x00\x00", 8));
  EXPECT_EQ(content.substr(40), std::string("\x02\x00\x00\x00\x04\x03\x02\x01", 8));
  const le32 crc = ~crc32c(~0U, as_bytes(content).subspan(12));
  EXPECT_EQ(content.substr(8, 4), std::string(reinterpret_cast<const char*>(&crc), 4));
}

TEST_F(LaneRegistryTest, EveryFlippedBitIsFound) {
  ASSERT_OK(write({0, 3}));
  test::expect_every_flipped_bit_is_found(path(), read_status());
}

TEST_F(LaneRegistryTest, ACutOrGrownFileIsCorrupt) {
  ASSERT_OK(write({0, 3}));
  test::expect_every_cut_is_found(path(), read_status());
  test::write_content(path(), test::file_content(path()) + "more");
  const auto grown = read();
  ASSERT_THAT(grown, has_code(ErrorCode::kCorruption));
  EXPECT_EQ(grown.error().path(), path().string());
}

TEST_F(LaneRegistryTest, TheListOfAnotherLogIsCorrupt) {
  ASSERT_OK(write({0}));
  const auto other = read_started_lanes(files_, directory_.path(), Uuid{{9}});
  ASSERT_THAT(other, has_code(ErrorCode::kCorruption));
  EXPECT_THAT(other.error().message(), testing::HasSubstr("another log"));
}

TEST_F(LaneRegistryTest, ANewerFormatIsUnsupported) {
  ASSERT_OK(write({0}));
  test::expect_a_newer_format_is_unsupported(path(), read_status());
}

TEST_F(LaneRegistryTest, NoFileIsNotFound) { EXPECT_THAT(read(), has_code(ErrorCode::kNotFound)); }

TEST_F(LaneRegistryTest, NotesEachLaneOnce) {
  LaneRegistry registry(files_, directory_.path(), uuid_, {5});
  ASSERT_OK(registry.note_started(5));
  EXPECT_EQ(files_.plan().count(FileOperation::kWrite), 0U);
  ASSERT_OK(registry.note_started(1));
  const auto writes = files_.plan().count(FileOperation::kWrite);
  ASSERT_OK(registry.note_started(1));
  EXPECT_EQ(files_.plan().count(FileOperation::kWrite), writes);
  ASSERT_OK_AND_ASSIGN(const auto found, read());
  EXPECT_EQ(found, (std::set<std::uint32_t>{1, 5}));
}

TEST_F(LaneRegistryTest, ALaneThatCouldNotBeNotedIsNotedNextTime) {
  ASSERT_OK(write({}));
  LaneRegistry registry(files_, directory_.path(), uuid_, {});
  files_.plan().add({.operation = FileOperation::kWrite, .sys_errno = ENOSPC});
  EXPECT_THAT(registry.note_started(3), has_code(ErrorCode::kNoSpace));
  ASSERT_OK_AND_ASSIGN(const auto before, read());
  EXPECT_TRUE(before.empty());
  ASSERT_OK(registry.note_started(3));
  ASSERT_OK_AND_ASSIGN(const auto after, read());
  EXPECT_EQ(after, std::set<std::uint32_t>{3});
}

}  // namespace
}  // namespace nacre::wal
