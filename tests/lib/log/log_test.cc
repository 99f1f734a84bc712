#include "nacre/log.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "lib/log/verify.h"
#include "tests/support/result_matchers.h"
#include "tests/support/stray_store.h"
#include "tests/wal/wal_domain.h"

namespace nacre {
namespace {

using test::has_code;
using test::LogPlace;

class LogTest : public testing::TestWithParam<LogPlace> {
 protected:
  LogOptions options() const {
    return {.segment_bytes = std::uint64_t{64} << 10,
            .spare_segments = 1,
            .domain = test::domain_of(GetParam()),
            .overwrite_protection = test::is_protected(GetParam()),
            .environment = {}};
  }
  std::filesystem::path path() const { return directory_->path() / "log"; }

  static std::vector<std::string> values(Partition partition, Offset from = Offset{0}) {
    std::vector<std::string> all;
    auto reader = partition.reader(from);
    EXPECT_TRUE(test::is_ok(reader));
    for (std::uint64_t expected = from.value;; ++expected) {
      const auto more = reader->next();
      EXPECT_TRUE(test::is_ok(more));
      if (!more || !*more) return all;
      EXPECT_EQ(reader->message().offset.value, expected);
      all.emplace_back(as_text(reader->message().value));
    }
  }

  std::unique_ptr<test::TempDirectory> directory_ = test::directory_for(GetParam());
};

TEST_P(LogTest, TopicsAndTheirMessagesSurviveReopening) {
  {
    ASSERT_OK_AND_ASSIGN(Log log, Log::open(path(), options()));
    ASSERT_OK_AND_ASSIGN(Topic first, log.create_topic("first"));
    ASSERT_OK_AND_ASSIGN(Topic second, log.create_topic("second", 3));
    for (int i = 0; i < 10; ++i) {
      ASSERT_OK_AND_ASSIGN(const Offset at,
                           first.partition(0).append({.value = as_bytes(std::to_string(i))}));
      EXPECT_EQ(at.value, static_cast<std::uint64_t>(i));
    }
    ASSERT_OK(second.partition(2).append({.value = as_bytes("two")}));
    ASSERT_OK(log.close());
  }
  ASSERT_OK_AND_ASSIGN(Log log, Log::open(path(), options()));
  ASSERT_EQ(log.topics().size(), 2U);
  EXPECT_EQ(log.topics()[0].name(), "first");
  ASSERT_OK_AND_ASSIGN(Topic first, log.topic("first"));
  EXPECT_EQ(values(first.partition(0)).size(), 10U);
  EXPECT_EQ(values(first.partition(0), Offset{8}), (std::vector<std::string>{"8", "9"}));
  ASSERT_OK_AND_ASSIGN(Topic second, log.topic("second"));
  EXPECT_EQ(second.partitions(), 3U);
  EXPECT_TRUE(values(second.partition(0)).empty());
  EXPECT_EQ(values(second.partition(2)), std::vector<std::string>{"two"});
  EXPECT_TRUE(log.recovery().clean_shutdown);
}

TEST_P(LogTest, MetricsTellWhereEachPartitionStands) {
  ASSERT_OK_AND_ASSIGN(Log log, Log::open(path(), options()));
  ASSERT_OK_AND_ASSIGN(const Topic topic, log.create_topic("t", 2));
  ASSERT_OK(topic.partition(1).append({.value = as_bytes("one")}));
  ASSERT_OK(topic.partition(1).append({.value = as_bytes("two")}));
  const std::string text = log.metrics();
  const auto has = [&](std::string_view line) { return text.find(line) != std::string::npos; };
  EXPECT_TRUE(has("nacre_partition_end_offset{topic=\"t\",partition=\"0\"} 0\n")) << text;
  EXPECT_TRUE(has("nacre_partition_end_offset{topic=\"t\",partition=\"1\"} 2\n")) << text;
  EXPECT_TRUE(has("nacre_segments_begun_total 1\n")) << text;
  EXPECT_TRUE(has("nacre_poisoned_lanes 0\n")) << text;
  // Two appends that waited one after the other are two writes; memory is not a device.
  const bool block = log.domain().kind == DomainKind::kBlock;
  EXPECT_TRUE(
      has(block ? "nacre_device_write_seconds_count 2\n" : "nacre_device_write_seconds_count 0\n"))
      << text;
  EXPECT_TRUE(has(block ? "nacre_device_written_bytes_total 8192\n"
                        : "nacre_device_written_bytes_total 0\n"))
      << text;
}

TEST_P(LogTest, RefusesBadTopics) {
  ASSERT_OK_AND_ASSIGN(Log log, Log::open(path(), options()));
  for (const char* name : {"", ".hidden", "a/b", "sp ace", "\n"}) {
    EXPECT_THAT(log.create_topic(name), has_code(ErrorCode::kInvalidArgument)) << name;
  }
  EXPECT_THAT(log.create_topic(std::string(201, 'a')), has_code(ErrorCode::kInvalidArgument));
  EXPECT_THAT(log.create_topic("t", 0), has_code(ErrorCode::kInvalidArgument));
  EXPECT_THAT(log.create_topic("t", 1025), has_code(ErrorCode::kInvalidArgument));
  EXPECT_THAT(log.topic("t"), has_code(ErrorCode::kNotFound));
  ASSERT_OK(log.create_topic("t"));
  EXPECT_THAT(log.create_topic("t"), has_code(ErrorCode::kBusy));
  ASSERT_OK_AND_ASSIGN(Topic same, log.open_or_create_topic("t", 7));
  EXPECT_EQ(same.partitions(), 1U);
  ASSERT_OK(log.close());
  EXPECT_THAT(log.create_topic("late"), has_code(ErrorCode::kClosed));
}

TEST_P(LogTest, KeysTimestampsAndTombstones) {
  ManualClock clock(1234);
  LogOptions with_clock = options();
  with_clock.environment.clock = &clock;
  ASSERT_OK_AND_ASSIGN(Log log, Log::open(path(), with_clock));
  ASSERT_OK_AND_ASSIGN(Topic topic, log.create_topic("t"));
  Partition partition = topic.partition(0);
  const std::string long_key(5000, 'k');
  ASSERT_OK(partition.append({.value = as_bytes("v"), .key = as_bytes("k")}));
  clock.advance_ns(10);
  ASSERT_OK(partition.append({.value = {}, .key = as_bytes(long_key)}));
  EXPECT_THAT(partition.append({.value = {}}), has_code(ErrorCode::kInvalidArgument));
  ASSERT_OK_AND_ASSIGN(const PinnedMessage first, partition.read(Offset{0}));
  EXPECT_EQ(as_text(first->key), "k");
  EXPECT_EQ(as_text(first->value), "v");
  EXPECT_EQ(first->timestamp_ns, 1234U);
  ASSERT_OK_AND_ASSIGN(const PinnedMessage second, partition.read(Offset{1}));
  EXPECT_EQ(as_text(second->key), long_key);
  EXPECT_TRUE(second->value.empty());
  EXPECT_EQ(second->timestamp_ns, 1244U);
  EXPECT_THAT(partition.read(Offset{2}), has_code(ErrorCode::kNotFound));
  EXPECT_THAT(partition.reader(Offset{3}), has_code(ErrorCode::kNotFound));
}

TEST_P(LogTest, ReadsAnyOffsetOfManySegments) {
  ASSERT_OK_AND_ASSIGN(Log log, Log::open(path(), options()));
  ASSERT_OK_AND_ASSIGN(Topic topic, log.create_topic("t"));
  Partition partition = topic.partition(0);
  for (int i = 0; i < 60; ++i) {
    std::vector<std::string> texts;
    for (int j = 0; j < 5; ++j) texts.push_back(std::to_string(i * 5 + j) + std::string(900, '.'));
    std::vector<Message> batch;
    for (const auto& text : texts) batch.push_back({.value = as_bytes(text)});
    ASSERT_OK_AND_ASSIGN(const Offset last, partition.append_batch(batch));
    EXPECT_EQ(last.value, static_cast<std::uint64_t>(i) * 5 + 4);
  }
  for (std::uint64_t i = 0; i < 300; ++i) {
    ASSERT_OK_AND_ASSIGN(const PinnedMessage message, partition.read(Offset{i}));
    ASSERT_EQ(message->offset.value, i);
    ASSERT_TRUE(as_text(message->value).starts_with(std::to_string(i) + "."));
  }
  ASSERT_OK(partition.truncate(Offset{200}));
  EXPECT_GT(partition.begin().value, 100U);
  EXPECT_THAT(partition.read(Offset{0}), has_code(ErrorCode::kNotFound));
  ASSERT_OK(partition.read(Offset{200}));
}

TEST_P(LogTest, ManyThreadsShareOnePartition) {
  constexpr std::size_t kThreads = 4;
  constexpr std::size_t kEach = 100;
  ASSERT_OK_AND_ASSIGN(Log log, Log::open(path(), options()));
  ASSERT_OK_AND_ASSIGN(Topic topic, log.create_topic("t"));
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&topic, t] {
      Partition partition = topic.partition(0);
      for (std::size_t i = 0; i < kEach; ++i) {
        const std::string text = std::to_string(t) + ":" + std::to_string(i);
        if (i % 10 == 3) {
          auto claim = partition.claim(64);
          ASSERT_TRUE(test::is_ok(claim));
          std::memcpy(claim->value().data(), text.data(), text.size());
          ASSERT_TRUE(test::is_ok(claim->commit(text.size())));
          continue;
        }
        const auto at = partition.append({.value = as_bytes(text)});
        ASSERT_TRUE(test::is_ok(at));
        ASSERT_GT(partition.durable_end(), *at);
        const auto back = partition.read(*at);
        ASSERT_TRUE(test::is_ok(back));
        ASSERT_EQ(as_text((*back)->value), text);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  const auto all = values(topic.partition(0));
  EXPECT_EQ(all.size(), kThreads * kEach);
  EXPECT_EQ(std::set<std::string>(all.begin(), all.end()).size(), kThreads * kEach);
}

TEST_P(LogTest, TicketsAndCallbacks) {
  ASSERT_OK_AND_ASSIGN(Log log, Log::open(path(), options()));
  ASSERT_OK_AND_ASSIGN(Topic topic, log.create_topic("t"));
  Partition partition = topic.partition(0);
  std::atomic<int> called = 0;
  Offset last;
  for (int i = 0; i < 50; ++i) {
    ASSERT_OK_AND_ASSIGN(last, partition.submit({.value = as_bytes("x")}));
    partition.on_durable(last, [&](Status status) {
      EXPECT_TRUE(test::is_ok(status));
      ++called;
    });
  }
  ASSERT_OK(partition.wait(last));
  EXPECT_EQ(partition.durable_end().value, 50U);
  EXPECT_THAT(partition.wait(Offset{50}), has_code(ErrorCode::kInvalidArgument));
  ASSERT_OK(log.close());
  EXPECT_EQ(called.load(), 50);
}

TEST_P(LogTest, ADroppedClaimLeavesNothingAndLetsOthersOn) {
  ASSERT_OK_AND_ASSIGN(Log log, Log::open(path(), options()));
  ASSERT_OK_AND_ASSIGN(Topic topic, log.create_topic("t"));
  Partition partition = topic.partition(0);
  {
    ASSERT_OK_AND_ASSIGN(MessageClaim dropped, partition.claim(100));
  }
  {
    ASSERT_OK_AND_ASSIGN(MessageClaim claim, partition.claim(100));
    EXPECT_THAT(claim.commit(101), has_code(ErrorCode::kInvalidArgument));
    std::memcpy(claim.value().data(), "kept", 4);
    ASSERT_OK_AND_ASSIGN(const Offset at, claim.commit(4));
    EXPECT_EQ(at, Offset{0});
    EXPECT_THAT(claim.commit(4), has_code(ErrorCode::kInvalidArgument));
  }
  EXPECT_EQ(values(partition), std::vector<std::string>{"kept"});
  EXPECT_THAT(partition.claim(partition.max_message_bytes() + 1),
              has_code(ErrorCode::kInvalidArgument));
}

TEST_P(LogTest, AViewReadsBesideTheWriter) {
  ASSERT_OK_AND_ASSIGN(Log log, Log::open(path(), options()));
  ASSERT_OK_AND_ASSIGN(Topic topic, log.create_topic("t", 2));
  ASSERT_OK_AND_ASSIGN(LogView view, LogView::open(path()));
  EXPECT_EQ(view.uuid(), log.uuid());
  ASSERT_OK_AND_ASSIGN(ViewReader reader, view.reader("t", 1));
  ASSERT_OK_AND_ASSIGN(bool more, reader.next());
  EXPECT_FALSE(more) << "nothing is there yet";
  const std::string filler(1000, '.');
  for (std::uint64_t i = 0; i < 200; ++i) {
    ASSERT_OK(topic.partition(1).append({.value = as_bytes(std::to_string(i) + filler)}));
    ASSERT_OK_AND_ASSIGN(more, reader.next());
    ASSERT_TRUE(more) << i;
    ASSERT_EQ(reader.message().offset.value, i);
    ASSERT_TRUE(as_text(reader.message().value).starts_with(std::to_string(i) + "."));
  }
  ASSERT_OK_AND_ASSIGN(const auto partitions, view.partitions());
  ASSERT_EQ(partitions.size(), 2U);
  EXPECT_EQ(partitions[1].topic, "t");
  EXPECT_EQ(partitions[1].end.value, 200U);
  EXPECT_GT(partitions[1].segments, 2U);
  EXPECT_EQ(partitions[0].end.value, 0U);
  EXPECT_THAT(view.reader("none", 0), has_code(ErrorCode::kNotFound));
  EXPECT_THAT(view.reader("t", 2), has_code(ErrorCode::kNotFound));
  ASSERT_OK(topic.partition(1).truncate(Offset{150}));
  EXPECT_THAT(view.reader("t", 1, Offset{0}), has_code(ErrorCode::kNotFound));
  ASSERT_OK_AND_ASSIGN(ViewReader later, view.reader("t", 1, Offset{199}));
  ASSERT_OK_AND_ASSIGN(more, later.next());
  ASSERT_TRUE(more);
  EXPECT_EQ(later.message().offset.value, 199U);
}

TEST_P(LogTest, VerifyFindsASoundLogSoundAndARottenOneRotten) {
  PosixFileSystem files;
  DeterministicExecutor executor(1);
  {
    ASSERT_OK_AND_ASSIGN(Log log, Log::open(path(), options()));
    ASSERT_OK_AND_ASSIGN(Topic topic, log.create_topic("t"));
    for (int i = 0; i < 100; ++i) {
      ASSERT_OK(topic.partition(0).append({.value = as_bytes(std::string(2000, 'v'))}));
    }
    ASSERT_OK_AND_ASSIGN(const auto beside, verify_directory(files, executor, path()));
    EXPECT_TRUE(beside.damage.empty()) << beside.damage.front().to_string();
  }
  ASSERT_OK_AND_ASSIGN(const auto sound, verify_directory(files, executor, path()));
  EXPECT_TRUE(sound.damage.empty());
  EXPECT_EQ(sound.scanned.records, 100U);
  const auto victim = path() / "segments" / "0000000000000001.seg";
  ASSERT_OK_AND_ASSIGN(auto file, files.open(victim, {.writable = true}));
  ASSERT_OK(file->write_at(8192 + 40, as_bytes("rot")));
  ASSERT_OK_AND_ASSIGN(const auto rotten, verify_directory(files, executor, path()));
  ASSERT_EQ(rotten.damage.size(), 1U);
  EXPECT_EQ(rotten.damage[0].path(), victim.string());
  EXPECT_EQ(rotten.damage[0].offset(), 8192U);
  EXPECT_THAT(Log::open(path(), options()), has_code(ErrorCode::kCorruption));
}

using LogOverwriteDeathTest = LogTest;

TEST_P(LogOverwriteDeathTest, WhereItIsProtectedAStrayStoreIntoAMessageEndsTheProcess) {
  if (!test::is_protected(GetParam())) GTEST_SKIP() << "not protected";
  ASSERT_OK_AND_ASSIGN(Log log, Log::open(path(), options()));
  ASSERT_OK_AND_ASSIGN(Topic topic, log.create_topic("topic"));
  ASSERT_OK(topic.partition(0).append({.value = as_bytes("acknowledged")}));
  ASSERT_OK_AND_ASSIGN(PartitionReader reader, topic.partition(0).reader());
  ASSERT_OK(reader.next());
  const Bytes value = reader.message().value;
  EXPECT_EXIT(test::exit_with_fault([&] { test::store_at(value.data()); }),
              testing::ExitedWithCode(SEGV_ACCERR), "");
  EXPECT_EQ(as_text(value), "acknowledged");
}

TEST_P(LogOverwriteDeathTest, WithoutKeysItIsNotOpened) {
  if (test::has_protection_keys()) GTEST_SKIP() << "there are protection keys";
  LogOptions protect = options();
  protect.domain = DomainRequest::kEmulated;
  protect.overwrite_protection = true;
  EXPECT_THAT(Log::open(path(), protect), has_code(ErrorCode::kUnsupported));
}

INSTANTIATE_TEST_SUITE_P(Domains, LogOverwriteDeathTest,
                         testing::ValuesIn(test::and_protected({LogPlace::kEmulatedInMemory})),
                         test::place_name);
INSTANTIATE_TEST_SUITE_P(Domains, LogTest,
                         testing::ValuesIn(test::and_protected({LogPlace::kBlock,
                                                                LogPlace::kEmulatedInMemory})),
                         test::place_name);

}  // namespace
}  // namespace nacre
