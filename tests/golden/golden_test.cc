// Logs of earlier formats, kept as files: they open, read the same, and today's writer writes the
// same bytes.
//
// When one of these tests fails after a change of what is written, the format has changed, whether
// that was meant or not. When it was meant:
//   1. raise the format version of the file in question, and let its reader take both versions;
//   2. leave the directory of the old version as it is: it must still open and read the same;
//   3. run this test with NACRE_GOLDEN_OUT=<an empty directory>, which writes a log of the new
//      version there, and keep it beside the others as v<number>;
//   4. say so in docs/format and in CHANGELOG.md.

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "lib/log/verify.h"
#include "mmap/segment_format.h"
#include "nacre/log.h"
#include "nacre/random.h"
#include "nacre/wal.h"
#include "tests/support/file_bytes.h"
#include "tests/support/result_matchers.h"
#include "tests/support/temp_directory.h"
#include "tests/wal/frame_builder.h"
#include "tests/wal/log_files.h"

namespace nacre {
namespace {

const std::filesystem::path kNewest = std::filesystem::path(NACRE_GOLDEN_DIR) / "v1";

struct Expected {
  std::uint64_t timestamp_ns;
  std::string key;
  std::string value;
};

/// What every golden log holds in its topic "golden", in partition 0 of 2.
std::vector<Expected> expected_messages() {
  std::string large;
  for (std::size_t i = 0; i < 5000; ++i) large += static_cast<char>('a' + i % 26);
  return {{1'000, "", "a value alone"},
          {2'000, "key", "and a value"},
          {3'000, "key alone", ""},
          {4'000, "", "first of a batch"},
          {4'000, "k", "second"},
          {4'000, "", "third"},
          {5'000, "", std::string(40, 'x')},
          {6'000, "", large},
          {7'000, "reopened", "after a clean close"}};
}

/// Writes that log as today's writer does: the same clock, the same random numbers, one thread.
Status write_golden(const std::filesystem::path& directory) {
  ManualClock clock(1'000);
  SeededRandom random(42);
  DeterministicExecutor executor(1);
  const LogOptions options{
      .segment_bytes = kMinSegmentBytes,
      .spare_segments = 0,
      .domain = DomainRequest::kEmulated,
      .environment = {.clock = &clock, .random = &random, .executor = &executor}};
  const auto messages = expected_messages();
  const auto append = [&](Log& log, std::size_t first, std::size_t count) -> Status {
    auto topic = log.open_or_create_topic("golden", 2);
    if (!topic) return topic.error();
    clock.advance_ns(messages[first].timestamp_ns - clock.wall_ns());
    std::vector<Message> batch;
    for (std::size_t i = first; i < first + count; ++i) {
      batch.push_back({.value = as_bytes(messages[i].value), .key = as_bytes(messages[i].key)});
    }
    const auto appended =
        count == 1 ? topic->partition(0).append(batch[0]) : topic->partition(0).append_batch(batch);
    return appended ? Status() : Status(appended.error());
  };
  for (const auto& session : {std::vector<std::size_t>{1, 1, 1, 3, 1, 1}, {1}}) {
    auto log = Log::open(directory, options);
    if (!log) return log.error();
    std::size_t next = session.size() == 1 ? messages.size() - 1 : 0;
    for (const std::size_t count : session) {
      if (Status appended = append(*log, next, count); !appended) return appended;
      next += count;
    }
    if (Status closed = log->close(); !closed) return closed;
  }
  return {};
}

template <class Reader>
void expect_messages(Reader& reader) {
  std::uint64_t offset = 0;
  for (const Expected& expected : expected_messages()) {
    ASSERT_OK_AND_ASSIGN(const bool there, reader.next());
    ASSERT_TRUE(there) << offset;
    EXPECT_EQ(reader.message().offset, Offset{offset++});
    EXPECT_EQ(reader.message().timestamp_ns, expected.timestamp_ns);
    EXPECT_EQ(as_text(reader.message().key), expected.key);
    EXPECT_EQ(as_text(reader.message().value), expected.value);
  }
  ASSERT_OK_AND_ASSIGN(const bool more, reader.next());
  EXPECT_FALSE(more);
}

/// Each kept version.
class GoldenTest : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    std::filesystem::copy(std::filesystem::path(NACRE_GOLDEN_DIR) / GetParam(), log_,
                          std::filesystem::copy_options::recursive);
  }
  test::TempDirectory directory_;
  std::filesystem::path log_ = directory_.path() / "log";
};

INSTANTIATE_TEST_SUITE_P(Version, GoldenTest, testing::Values("v1"),
                         [](const auto& one) { return one.param; });

TEST_P(GoldenTest, OpensReadsTheSameAndGoesOn) {
  const LogOptions options{.spare_segments = 0, .domain = DomainRequest::kEmulated};
  {
    ASSERT_OK_AND_ASSIGN(Log log, Log::open(log_, options));
    EXPECT_TRUE(log.recovery().clean_shutdown);
    ASSERT_OK_AND_ASSIGN(const Topic topic, log.topic("golden"));
    EXPECT_EQ(topic.partitions(), 2U);
    ASSERT_OK_AND_ASSIGN(PartitionReader reader, topic.partition(0).reader());
    expect_messages(reader);
    ASSERT_OK(topic.partition(0).append({.value = as_bytes("one more")}));
    ASSERT_OK(log.close());
  }
  ASSERT_OK_AND_ASSIGN(const Log log, Log::open(log_, options));
  ASSERT_OK_AND_ASSIGN(const Topic topic, log.topic("golden"));
  EXPECT_EQ(topic.partition(0).durable_end(), Offset{expected_messages().size() + 1});
}

TEST_P(GoldenTest, IsReadFromOutside) {
  ASSERT_OK_AND_ASSIGN(LogView view, LogView::open(log_));
  ASSERT_OK_AND_ASSIGN(ViewReader reader, view.reader("golden", 0));
  expect_messages(reader);
}

TEST_P(GoldenTest, HasNoDamage) {
  PosixFileSystem files;
  DeterministicExecutor executor(1);
  ASSERT_OK_AND_ASSIGN(const auto report, verify_directory(files, executor, log_));
  EXPECT_THAT(report.damage, testing::IsEmpty());
  EXPECT_EQ(report.damaged_slots, 0U);
  EXPECT_EQ(report.scanned.records, expected_messages().size());
}

TEST(GoldenWriter, WritesTheSameBytesAsEver) {
  const char* const out = std::getenv("NACRE_GOLDEN_OUT");
  const test::TempDirectory directory;
  const std::filesystem::path log = out == nullptr ? directory.path() / "log" : out;
  ASSERT_OK(write_golden(log));
  if (out != nullptr) std::filesystem::remove(log / "LOCK");
  const auto golden = test::directory_content(kNewest);
  ASSERT_EQ(golden.size(), 4U);
  EXPECT_THAT(test::changed_files(golden, test::directory_content(log)), testing::IsEmpty())
      << "the format has changed; see the head of this file";
}

// The block domain's frames: each device write fills up its last block with a pad.
TEST(GoldenWriter, WritesTheFramesOfTheBlockDomainAsEver) {
  const test::TempDirectory directory;
  DeterministicExecutor executor(1);
  ASSERT_OK_AND_ASSIGN(
      Wal wal, Wal::open(directory.path() / "log", {.segment_bytes = kMinSegmentBytes,
                                                    .spare_segments = 0,
                                                    .domain = DomainRequest::kBlock,
                                                    .environment = {.executor = &executor}}));
  Lane lane = wal.lane(0);
  const std::string large(5000, 'l');
  ASSERT_OK(lane.append(as_bytes("one"), 7));
  ASSERT_OK(lane.submit(as_bytes(large)));
  ASSERT_OK(lane.submit(as_bytes("three")));
  ASSERT_OK(lane.wait(Lsn{3}));
  ASSERT_OK(lane.append_batch({{as_bytes("four"), as_bytes("five")}}));

  const auto file = test::lane_files(directory.path() / "log").front();
  test::SegmentBuilder expected(record_seed(file.state));
  using enum wal::FrameKind;
  expected.add({.kind = kData, .lsn = 1, .durable_distance = 1, .tag = 7, .payload = "one"});
  expected.seal_block(1);
  expected.add({.kind = kData, .lsn = 2, .durable_distance = 1, .payload = large});
  // Begun while the one before was on its way: it knows only of the first.
  expected.add({.kind = kData, .lsn = 3, .durable_distance = 2, .payload = "three"});
  expected.seal_block(3);
  expected.add({.kind = kBatch,
                .lsn = 4,
                .durable_distance = 1,
                .payload = test::batch_payload({"four", "five"})});
  expected.seal_block(5);
  EXPECT_TRUE(test::file_content(file.path).substr(kSegmentDataOffset) ==
              expected.text().substr(kSegmentDataOffset))
      << "the format has changed; see the head of this file";
}

}  // namespace
}  // namespace nacre
