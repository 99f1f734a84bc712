// Files of a log that are missing, foreign, misshapen or damaged: it does not open, and says which.

#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "lib/base/endian.h"
#include "lib/codec/crc32c.h"
#include "tests/support/checked_file_damage.h"
#include "tests/wal/recovery_fixture.h"

namespace nacre::wal {
namespace {

using test::flip_bit;
using test::lane_files;
using test::LogPlace;
using test::poke;
using test::texts;

class RecoveryTest : public test::RecoveryFixture {};

INSTANTIATE_TEST_SUITE_P(Domain, RecoveryTest,
                         testing::Values(LogPlace::kBlock, LogPlace::kEmulatedInMemory),
                         test::place_name);

TEST_P(RecoveryTest, AMissingSegmentIsRefusedWhereverItIsMissing) {
  ASSERT_OK_AND_ASSIGN(Wal wal, try_open());
  append(wal, 1, 80, 3000);
  crash(std::move(wal));
  const auto segments = lane_files(log());
  ASSERT_GE(segments.size(), 4U);
  const std::filesystem::path aside = directory_->path() / "aside";
  for (const std::size_t missing : {std::size_t{0}, segments.size() / 2, segments.size() - 1}) {
    std::filesystem::rename(segments[missing].path, aside);
    const Error error = refused(ErrorCode::kCorruption);
    EXPECT_THAT(error.message(), testing::HasSubstr("missing")) << missing;
    std::filesystem::rename(aside, segments[missing].path);
  }
  EXPECT_EQ(contents_after_opening(), texts(1, 80, 3000));
}

TEST_P(RecoveryTest, ALaneWithoutItsOnlySegmentIsRefused) {
  ASSERT_OK_AND_ASSIGN(Wal wal, try_open(2));
  ASSERT_OK(wal.lane(0).append(as_bytes("zero")));
  ASSERT_OK(wal.lane(1).append(as_bytes("one")));
  crash(std::move(wal));
  std::filesystem::remove(lane_files(log(), 1).front().path);
  const test::DirectoryContent before = test::directory_content(log());
  const auto again = try_open(2);
  ASSERT_THAT(again, test::has_code(ErrorCode::kCorruption));
  EXPECT_THAT(again.error().message(), testing::HasSubstr("lane 1"));
  EXPECT_THAT(test::changed_files(before, test::directory_content(log())), testing::IsEmpty());
}

TEST_P(RecoveryTest, ASegmentOfAnotherLogIsRefused) {
  {
    ASSERT_OK_AND_ASSIGN(Wal other, try_open());
    append(other, 1, 3);
    ASSERT_OK(other.close());
  }
  const auto foreign = newest().path;
  log_ = directory_->path() / "mine";
  {
    ASSERT_OK_AND_ASSIGN(Wal wal, try_open());
    append(wal, 1, 3);
    ASSERT_OK(wal.close());
  }
  const auto mine = newest().path;
  ASSERT_EQ(mine.filename(), foreign.filename());
  std::filesystem::copy(foreign, mine, std::filesystem::copy_options::overwrite_existing);
  const Error error = refused(ErrorCode::kCorruption);
  EXPECT_EQ(error.path(), mine.string());
  EXPECT_THAT(error.message(), testing::HasSubstr("another log"));
}

TEST_P(RecoveryTest, ARenamedSegmentIsRefused) {
  ASSERT_OK_AND_ASSIGN(Wal wal, try_open());
  append(wal, 1, 3);
  crash(std::move(wal));
  const auto path = newest().path;
  const auto renamed = path.parent_path() / segment_file_name(SegmentId{77});
  std::filesystem::rename(path, renamed);
  EXPECT_EQ(refused(ErrorCode::kCorruption).path(), renamed.string());
  // A second copy under another name is no better.
  std::filesystem::copy(renamed, path);
  EXPECT_EQ(refused(ErrorCode::kCorruption).path(), renamed.string());
}

TEST_P(RecoveryTest, ASegmentCutShortOrGrownIsRefused) {
  ASSERT_OK_AND_ASSIGN(Wal wal, try_open());
  append(wal, 1, 3);
  crash(std::move(wal));
  const auto path = newest().path;
  const std::string whole = test::file_content(path);
  for (const std::uint64_t bytes :
       {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{5000}, std::uint64_t{8192},
        kMinSegmentBytes - 1, kMinSegmentBytes + 1, 2 * kMinSegmentBytes}) {
    std::filesystem::resize_file(path, bytes);
    EXPECT_EQ(refused(ErrorCode::kCorruption).path(), path.string()) << bytes;
    test::write_content(path, whole);
  }
  EXPECT_EQ(contents_after_opening(), texts(1, 3));
}

TEST_P(RecoveryTest, TwoSegmentsInOnePlaceAreRefused) {
  ASSERT_OK_AND_ASSIGN(Wal wal, try_open());
  append(wal, 1, 30, 3000);
  crash(std::move(wal));
  const auto segments = lane_files(log());
  ASSERT_GE(segments.size(), 2U);
  SegmentState state = segments[1].state;
  state.lane_sequence = 0;
  state.sequence += 1;
  test::write_slot(segments[1].path, 1 - segments[1].slot, state);
  EXPECT_THAT(refused(ErrorCode::kCorruption).message(), testing::HasSubstr("two segments"));
}

// Recovery gave up all segments of the lane, and then looked at the newest of those left: a
// segmentation fault.
TEST_P(RecoveryTest, ALaneThatBeginsBehindItsEndIsRefused) {
  ASSERT_OK_AND_ASSIGN(Wal wal, try_open());
  append(wal, 1, 3);
  crash(std::move(wal));
  const test::SegmentFile file = newest();
  SegmentState state = file.state;
  state.first_lane_sequence = state.lane_sequence + 1;
  state.sequence += 1;
  test::write_slot(file.path, 1 - file.slot, state);
  const Error error = refused(ErrorCode::kCorruption);
  EXPECT_THAT(error.message(), testing::HasSubstr("begins behind it"));
  EXPECT_EQ(error.path(), file.path.string());
}

TEST_P(RecoveryTest, ANewerSegmentFormatIsUnsupported) {
  ASSERT_OK_AND_ASSIGN(Wal wal, try_open());
  append(wal, 1, 3);
  crash(std::move(wal));
  const test::SegmentFile file = newest();
  SegmentSlot slot = encode_segment_slot(file.state);
  slot.format_version = 2;
  std::string bytes(reinterpret_cast<const char*>(&slot), sizeof slot);
  const le32 crc = ~crc32c(~0U, as_bytes(bytes).subspan(12));
  bytes.replace(8, 4, reinterpret_cast<const char*>(&crc), 4);
  poke(file.path, file.slot * kSegmentSlotBytes, bytes);
  const Error error = refused(ErrorCode::kUnsupported);
  EXPECT_EQ(error.path(), file.path.string());
}

class SmallFileTest : public RecoveryTest {
 protected:
  void SetUp() override {
    auto wal = try_open();
    ASSERT_OK(wal);
    append(*wal, 1, 3);
    crash(*std::move(wal));
  }
};

INSTANTIATE_TEST_SUITE_P(Domain, SmallFileTest,
                         testing::Values(LogPlace::kBlock, LogPlace::kEmulatedInMemory),
                         test::place_name);

TEST_P(SmallFileTest, EachOneLostIsCorruption) {
  for (const char* name : {"SUPERBLOCK", "LANES"}) {
    const std::string content = test::file_content(log() / name);
    std::filesystem::remove(log() / name);
    const Error error = refused(ErrorCode::kCorruption);
    EXPECT_THAT(error.to_string(), testing::HasSubstr(name));
    test::write_content(log() / name, content);
  }
  EXPECT_EQ(contents_after_opening(), texts(1, 3));
}

TEST_P(SmallFileTest, AllSegmentsLostIsCorruption) {
  std::filesystem::remove_all(log() / "segments");
  EXPECT_THAT(refused(ErrorCode::kCorruption).message(), testing::HasSubstr("segments"));
}

TEST_P(SmallFileTest, EachOneDamagedIsCorruptionAndNamesTheFile) {
  for (const char* name : {"SUPERBLOCK", "LANES"}) {
    const auto path = log() / name;
    const std::string content = test::file_content(path);
    for (std::size_t offset = 0; offset < content.size(); offset += 5) {
      flip_bit(path, offset, 6);
      EXPECT_EQ(refused(ErrorCode::kCorruption).path(), path.string()) << offset;
      flip_bit(path, offset, 6);
    }
    test::write_content(path, content.substr(0, content.size() - 1));
    EXPECT_EQ(refused(ErrorCode::kCorruption).path(), path.string());
    test::write_content(path, content);
  }
}

TEST_P(SmallFileTest, EachOneOfANewerFormatIsUnsupported) {
  for (const char* name : {"SUPERBLOCK", "LANES"}) {
    const std::string content = test::file_content(log() / name);
    test::make_format_version(log() / name, 2);
    EXPECT_EQ(refused(ErrorCode::kUnsupported).path(), (log() / name).string());
    test::write_content(log() / name, content);
  }
}

}  // namespace
}  // namespace nacre::wal
