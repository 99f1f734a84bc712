// Offsets that a caller gives, and what a partition answers with.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "nacre/executor.h"
#include "nacre/log.h"
#include "tests/lib/log/partition_fixture.h"
#include "tests/support/result_matchers.h"
#include "tests/wal/log_files.h"

namespace nacre {
namespace {

using test::has_code;
using test::LogPlace;
using testing::HasSubstr;
using testing::Not;

class PartitionTest : public test::PartitionFixture {
 protected:
  /// What `on_durable` calls back with; nothing when it did not call back at once.
  static std::optional<Status> outcome_of(Partition partition, Offset offset) {
    std::optional<Status> outcome;
    partition.on_durable(offset, [&outcome](const Status& status) { outcome = status; });
    return outcome;
  }
};

INSTANTIATE_TEST_SUITE_P(Domains, PartitionTest,
                         testing::Values(LogPlace::kBlock, LogPlace::kEmulatedInMemory),
                         test::place_name);

// An offset is an LSN minus 1, so offset 2^64-1 wrapped around to LSN 0, "none": waiting for it and
// registering for it succeeded, and truncating there gave up nothing and said it had.
TEST_P(PartitionTest, TheOffsetThatNoMessageCanHaveIsRefused) {
  ASSERT_OK(partition().append({.value = as_bytes("a")}));
  const Offset impossible{std::numeric_limits<std::uint64_t>::max()};
  EXPECT_THAT(partition().wait(impossible), has_code(ErrorCode::kInvalidArgument));
  EXPECT_THAT(partition().truncate(impossible), has_code(ErrorCode::kInvalidArgument));
  EXPECT_THAT(partition().reader(impossible), has_code(ErrorCode::kInvalidArgument));
  EXPECT_THAT(partition().read(impossible), has_code(ErrorCode::kNotFound));
  const auto outcome = outcome_of(partition(), impossible);
  ASSERT_TRUE(outcome.has_value());
  ASSERT_THAT(*outcome, has_code(ErrorCode::kInvalidArgument));
  EXPECT_THAT(outcome->error().message(), HasSubstr("18446744073709551615 is never handed out"));

  const Offset largest{impossible.value - 1};
  EXPECT_THAT(partition().wait(largest), has_code(ErrorCode::kInvalidArgument));
  EXPECT_THAT(partition().reader(largest), has_code(ErrorCode::kNotFound));
  EXPECT_OK(partition().truncate(largest)) << "as far as there is something";
}

// Waiting for offset 7 was answered with "waiting for LSN 8", a number that a user of offsets has
// never seen, one off the number that he gave.
TEST_P(PartitionTest, AnOffsetNotHandedOutIsToldAsAnOffset) {
  ASSERT_OK(partition().append({.value = as_bytes("a")}));
  const Status waited = partition().wait(Offset{7});
  ASSERT_THAT(waited, has_code(ErrorCode::kInvalidArgument));
  EXPECT_THAT(waited.error().message(), HasSubstr("offset 7 has not been handed out"));
  EXPECT_THAT(waited.error().message(), Not(HasSubstr("LSN")));
  EXPECT_EQ(waited.error().lsn(), 8U);
  const auto outcome = outcome_of(partition(), Offset{7});
  ASSERT_TRUE(outcome.has_value());
  ASSERT_THAT(*outcome, has_code(ErrorCode::kInvalidArgument));
  EXPECT_EQ(outcome->error().to_string(), waited.error().to_string());
}

TEST_P(PartitionTest, ATruncatedOffsetIsToldAsAnOffset) {
  append_large(partition(), 100);
  ASSERT_OK_AND_ASSIGN(PartitionReader left_behind, partition().reader(Offset{5}));
  ASSERT_OK(partition().truncate(Offset{90}));
  const auto read = partition().read(Offset{3});
  ASSERT_THAT(read, has_code(ErrorCode::kNotFound));
  EXPECT_THAT(read.error().message(), HasSubstr("offset 3 has been truncated away"));
  EXPECT_THAT(read.error().message(), Not(HasSubstr("LSN")));
  const auto reader = partition().reader(Offset{3});
  ASSERT_THAT(reader, has_code(ErrorCode::kNotFound));
  EXPECT_EQ(reader.error().to_string(), read.error().to_string());

  // A reader that was under way when its next segment went is told where it stands.
  Result<bool> next = left_behind.next();
  std::uint64_t expected = 5;
  for (; next && *next; next = left_behind.next()) ++expected;
  ASSERT_THAT(next, has_code(ErrorCode::kNotFound));
  EXPECT_THAT(next.error().message(), HasSubstr("offset " + std::to_string(expected) + " has"));
}

TEST_P(PartitionTest, DamageIsToldAsAnOffset) {
  append_large(partition(), 100);  // The newest segment may be read from memory.
  const auto segment = test::lane_files(path()).front().path;
  test::flip_bit(segment, test::record_frames_of(segment)[3].offset + 100);
  const auto read = partition().read(Offset{3});
  ASSERT_THAT(read, has_code(ErrorCode::kCorruption));
  const std::string& message = read.error().message();
  EXPECT_THAT(message, HasSubstr("the checksum does not match, where offset 3 must be;"));
  EXPECT_THAT(message, Not(HasSubstr("LSN")));
  EXPECT_EQ(read.error().path(), segment.string());
  EXPECT_EQ(read.error().lsn(), 4U);

  ASSERT_OK_AND_ASSIGN(PartitionReader reader, partition().reader());
  for (int i = 0; i < 3; ++i) ASSERT_OK(reader.next());
  EXPECT_EQ(reader.next().error().to_string(), read.error().to_string());

  // Opening finds the same damage, and says it in the same words.
  ASSERT_OK(log_->close());
  const auto again = Log::open(path(), {.domain = test::domain_of(GetParam())});
  ASSERT_THAT(again, has_code(ErrorCode::kCorruption));
  EXPECT_EQ(again.error().to_string(), read.error().to_string());
}

// A reader that began in the middle, where the index led it, knew of nothing before: the damage it
// met at once was told as "where offset 0 must be".
TEST_P(PartitionTest, DamageWhereTheIndexLeadsIsToldAsItsOffset) {
  const auto place = directory_->path() / "larger";
  ASSERT_OK_AND_ASSIGN(Log log, Log::open(place, {.segment_bytes = std::uint64_t{1} << 20,
                                                  .domain = test::domain_of(GetParam())}));
  ASSERT_OK_AND_ASSIGN(const Topic topic, log.create_topic("t"));
  // Two segments, of which the first is read from its file.
  append_large(topic.partition(0), 600);
  const auto segment = test::lane_files(place).front().path;
  const auto frames = test::record_frames_of(segment);
  const std::string content = test::file_content(segment);
  for (std::size_t i = 0; i < frames.size(); ++i) {
    const std::size_t at = frames[i].offset + 100;
    const std::string sound = content.substr(at, 1);
    const std::string rotten(1, static_cast<char>(sound[0] ^ 1));
    test::poke(segment, at, rotten);
    const auto read = topic.partition(0).read(Offset{i});
    ASSERT_THAT(read, has_code(ErrorCode::kCorruption));
    EXPECT_THAT(read.error().message(),
                HasSubstr("where offset " + std::to_string(i) + " must be"));
    test::poke(segment, at, sound);
  }
}

// Without an offset a reader began at offset 0, so that after a truncation the plainest call of
// all, and every example with it, failed with not_found.
TEST_P(PartitionTest, AReaderWithoutAnOffsetBeginsAtTheOldestMessage) {
  append_large(partition(), 100);
  ASSERT_OK(partition().truncate(Offset{90}));
  ASSERT_GT(partition().begin(), Offset{0});
  ASSERT_OK_AND_ASSIGN(PartitionReader reader, partition().reader());
  ASSERT_OK_AND_ASSIGN(const bool there, reader.next());
  ASSERT_TRUE(there);
  EXPECT_EQ(reader.message().offset, partition().begin());
  EXPECT_THAT(partition().reader(Offset{0}), has_code(ErrorCode::kNotFound));
}

TEST_P(PartitionTest, AReaderOfAnEmptyPartitionGoesOnWithItsFirstMessage) {
  ASSERT_OK_AND_ASSIGN(PartitionReader reader, partition().reader());
  ASSERT_OK_AND_ASSIGN(bool there, reader.next());
  EXPECT_FALSE(there);
  ASSERT_OK(partition().append({.value = as_bytes("a")}));
  ASSERT_OK_AND_ASSIGN(there, reader.next());
  ASSERT_TRUE(there);
  EXPECT_EQ(reader.message().offset, Offset{0});
}

TEST_P(PartitionTest, AViewFromBeyondTheEndWaitsThere) {
  ASSERT_OK(partition().append({.value = as_bytes("0")}));
  ASSERT_OK_AND_ASSIGN(LogView view, LogView::open(path()));
  for (const std::uint32_t index : {0U, 1U}) {  // One with messages, one without a segment yet.
    ASSERT_OK_AND_ASSIGN(ViewReader reader, view.reader("t", index, Offset{3}));
    ASSERT_OK_AND_ASSIGN(bool there, reader.next());
    EXPECT_FALSE(there);
    while (partition(index).durable_end() < Offset{5}) {
      ASSERT_OK_AND_ASSIGN(there, reader.next());
      EXPECT_EQ(there, partition(index).durable_end() > Offset{3});
      ASSERT_OK(partition(index).append({.value = as_bytes("x")}));
    }
    ASSERT_OK_AND_ASSIGN(there, reader.next());
    ASSERT_TRUE(there);
    EXPECT_EQ(reader.message().offset, Offset{4});
  }
}

// A view took offset 2^64-1 for LSN 0, and began at the oldest message; what it found truncated
// away it named by its LSN; and without an offset it looked for offset 0, even where that was gone.
TEST_P(PartitionTest, AViewSpeaksOfOffsetsAsAPartitionDoes) {
  append_large(partition(), 100);
  ASSERT_OK(partition().truncate(Offset{50}));
  ASSERT_OK_AND_ASSIGN(LogView view, LogView::open(path()));
  EXPECT_THAT(view.reader("t", 0, Offset{std::numeric_limits<std::uint64_t>::max()}),
              has_code(ErrorCode::kInvalidArgument));
  const auto gone = view.reader("t", 0, Offset{3});
  ASSERT_THAT(gone, has_code(ErrorCode::kNotFound));
  EXPECT_EQ(gone.error().to_string(), partition().reader(Offset{3}).error().to_string());

  ASSERT_OK_AND_ASSIGN(ViewReader reader, view.reader("t", 0));
  ASSERT_OK_AND_ASSIGN(bool there, reader.next());
  ASSERT_TRUE(there);
  EXPECT_EQ(reader.message().offset, partition().begin());
  ASSERT_OK(partition().truncate(Offset{99}));
  Result<bool> next = reader.next();
  Offset expected{reader.message().offset.value + 1};
  for (; next && *next; next = reader.next()) expected = Offset{reader.message().offset.value + 1};
  ASSERT_THAT(next, has_code(ErrorCode::kNotFound));
  EXPECT_THAT(next.error().message(), HasSubstr("offset " + std::to_string(expected.value)));
}

TEST_P(PartitionTest, AViewTellsDamageAsAnOffset) {
  append_large(partition(), 100);
  const auto segment = test::lane_files(path()).front().path;
  test::flip_bit(segment, test::record_frames_of(segment)[3].offset + 100);
  ASSERT_OK_AND_ASSIGN(LogView view, LogView::open(path()));
  ASSERT_OK_AND_ASSIGN(ViewReader reader, view.reader("t", 0));
  for (int i = 0; i < 3; ++i) ASSERT_OK(reader.next());
  const auto damaged = reader.next();
  ASSERT_THAT(damaged, has_code(ErrorCode::kCorruption));
  EXPECT_THAT(damaged.error().message(), HasSubstr("where offset 3 must be;"));
}

TEST(PartitionDeathTest, WhatWasMovedFromOrCannotBeCalledIsAProgrammersError) {
  test::TempDirectory directory;
  DeterministicExecutor executor(1);  // Without threads, beside which a fork is unsafe.
  const LogOptions options{.segment_bytes = std::uint64_t{64} << 10,
                           .domain = DomainRequest::kEmulated,
                           .environment = {.executor = &executor}};
  ASSERT_OK_AND_ASSIGN(Log log, Log::open(directory.path() / "log", options));
  ASSERT_OK_AND_ASSIGN(const Topic topic, log.create_topic("t"));
  Partition partition = topic.partition(0);
  ASSERT_OK_AND_ASSIGN(PartitionReader reader, partition.reader());
  const PartitionReader taken = std::move(reader);
  // NOLINTBEGIN(bugprone-use-after-move)
  EXPECT_DEATH(static_cast<void>(reader.next()), "this PartitionReader was moved from");
  EXPECT_DEATH(static_cast<void>(reader.message()), "this PartitionReader was moved from");
  EXPECT_DEATH(partition.on_durable(Offset{0}, nullptr), "on_durable needs a callback");
  ASSERT_OK_AND_ASSIGN(LogView view, LogView::open(directory.path() / "log"));
  ASSERT_OK_AND_ASSIGN(ViewReader beside, view.reader("t", 0));
  const ViewReader beside_taken = std::move(beside);
  EXPECT_DEATH(static_cast<void>(beside.next()), "this ViewReader was moved from");
  EXPECT_DEATH(static_cast<void>(beside.message()), "this ViewReader was moved from");
  const Log moved = std::move(log);
  EXPECT_DEATH(static_cast<void>(log.topic("t")), "this Log was moved from");
  EXPECT_DEATH(static_cast<void>(log.close()), "this Log was moved from");
  // NOLINTEND(bugprone-use-after-move)
}

}  // namespace
}  // namespace nacre
