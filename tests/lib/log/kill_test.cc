// Kills a writer with SIGKILL at random moments, hundreds of times over one directory, and sees
// that every acknowledged message is there, in order, byte by byte, and every batch whole or not at
// all.

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstring>
#include <new>
#include <string>
#include <thread>
#include <vector>

#include "nacre/log.h"
#include "nacre/random.h"
#include "tests/support/result_matchers.h"
#include "tests/support/seed.h"
#include "tests/wal/wal_domain.h"

namespace nacre {
namespace {

using test::LogPlace;

/// Where the log lies, and what writes it there.
struct KillCase {
  LogPlace place = LogPlace::kBlock;
  IoEngine engine = IoEngine::kAuto;
  const char* name = "";
};

constexpr std::size_t kWriters = 2;
constexpr std::size_t kMaxMessageBytes = 3000;

/// How far each writer has come; survives it in memory shared with the parent.
struct Progress {
  std::array<std::atomic<std::uint64_t>, kWriters> acknowledged;
  std::array<std::atomic<std::uint64_t>, kWriters> last_offset;  ///< Of what was acknowledged.

  /// Nobody's newest message lies below.
  std::uint64_t lowest_needed() const {
    return std::min(last_offset[0].load(), last_offset[1].load());
  }
};

/// At the start of every message.
struct Stamp {
  std::uint64_t writer;
  std::uint64_t sequence;     ///< Counts the writer's messages.
  std::uint64_t batch_index;  ///< Place in its batch...
  std::uint64_t batch_size;   ///< ...of so many.
};

std::string message_text(const Stamp& stamp) {
  SeededRandom random(stamp.writer * 1'000'003 + stamp.sequence);
  std::string text(sizeof stamp + uniform_below(random, kMaxMessageBytes), '\0');
  std::memcpy(text.data(), &stamp, sizeof stamp);
  for (std::size_t i = sizeof stamp; i < text.size(); ++i) {
    text[i] = static_cast<char>('a' + (stamp.sequence + i) % 26);
  }
  return text;
}

/// Appends one message or one batch, by whichever way `choice` says; returns the last offset.
Result<Offset> append_some(Partition partition, std::uint64_t writer, std::uint64_t sequence,
                           std::uint64_t choice, std::uint64_t& count) {
  count = choice % 4 == 0 ? 1 + choice / 4 % 6 : 1;
  std::vector<std::string> texts;
  for (std::uint64_t i = 0; i < count; ++i) {
    texts.push_back(message_text({writer, sequence + i, i, count}));
  }
  if (choice % 4 == 1) {
    auto claim = partition.claim(texts[0].size());
    if (!claim) return claim.error();
    std::memcpy(claim->value().data(), texts[0].data(), texts[0].size());
    return claim->commit(texts[0].size());
  }
  std::vector<Message> messages;
  for (const std::string& text : texts) messages.push_back({.value = as_bytes(text), .key = {}});
  if (choice % 4 == 2) {
    auto offset = partition.submit(messages[0]);
    if (!offset) return offset;
    if (const Status waited = partition.wait(*offset); !waited) return waited.error();
    return offset;
  }
  return partition.append_batch(messages);
}

[[noreturn]] void write_until_killed(const std::filesystem::path& directory, LogOptions options,
                                     Progress& progress, std::uint64_t seed) {
  auto log = Log::open(directory, options);
  if (!log) _exit(3);
  auto topic = log->open_or_create_topic("kill", 1);
  if (!topic) _exit(4);
  std::vector<std::thread> writers;
  for (std::size_t w = 0; w < kWriters; ++w) {
    writers.emplace_back([&, w] {
      SeededRandom random(seed + w);
      std::uint64_t sequence = progress.acknowledged[w].load();
      for (;;) {
        std::uint64_t count = 0;
        const auto last =
            append_some(topic->partition(0), w, sequence, random.next_u64() >> 8, count);
        if (!last) _exit(5);
        sequence += count;
        progress.last_offset[w].store(last->value);
        progress.acknowledged[w].store(sequence);
        if (sequence % 64 == 0) {
          // Old segments come and go under the kills, too.
          if (!topic->partition(0).truncate(Offset{progress.lowest_needed()})) _exit(7);
        }
      }
    });
  }
  for (auto& writer : writers) writer.join();
  _exit(6);
}

class KillTest : public testing::TestWithParam<KillCase> {
 protected:
  /// Reads the whole log; returns each writer's next sequence.
  void check(const std::filesystem::path& directory, const LogOptions& options,
             Progress& progress) {
    ASSERT_OK_AND_ASSIGN(Log log, Log::open(directory, options));
    const auto topic = log.topic("kill");
    std::array<std::uint64_t, kWriters> next{};
    std::array<bool, kWriters> seen{};
    if (topic) {
      Partition partition = topic->partition(0);
      ASSERT_OK_AND_ASSIGN(PartitionReader reader, partition.reader(partition.begin()));
      Stamp open_batch{};
      for (;;) {
        ASSERT_OK_AND_ASSIGN(const bool more, reader.next());
        if (!more) break;
        const Bytes value = reader.message().value;
        Stamp stamp;
        ASSERT_GE(value.size(), sizeof stamp);
        std::memcpy(&stamp, value.data(), sizeof stamp);
        ASSERT_LT(stamp.writer, kWriters);
        ASSERT_EQ(as_text(value), message_text(stamp))
            << "offset " << reader.message().offset.value;
        if (seen[stamp.writer]) {
          ASSERT_EQ(stamp.sequence, next[stamp.writer]);
        }
        seen[stamp.writer] = true;
        next[stamp.writer] = stamp.sequence + 1;
        if (open_batch.batch_size != 0) {
          ASSERT_EQ(stamp.writer, open_batch.writer);
          ASSERT_EQ(stamp.batch_index, open_batch.batch_index + 1);
        }
        open_batch = stamp.batch_index + 1 < stamp.batch_size ? stamp : Stamp{};
      }
      ASSERT_EQ(open_batch.batch_size, 0U) << "half a batch";
    }
    for (std::size_t w = 0; w < kWriters; ++w) {
      const std::uint64_t acknowledged = progress.acknowledged[w].load();
      ASSERT_GE(next[w], seen[w] ? acknowledged : 0) << "lost what was acknowledged";
      if (!seen[w]) {
        ASSERT_EQ(acknowledged, 0U);
      }
      // What was in flight may have made it; the next life goes on behind it.
      if (seen[w]) progress.acknowledged[w].store(next[w]);
    }
    // Half of the time the next writer finds a log that was not closed in order.
    if (progress.acknowledged[0].load() % 2 == 0) {
      ASSERT_OK(log.close());
    }
  }
};

TEST_P(KillTest, NothingAcknowledgedIsLostOver200Kills) {
  constexpr int kKills = 200;
  if (GetParam().engine == IoEngine::kIoUring) {
    PosixFileSystem files;
    const auto io_uring = make_io_backend(files, {.engine = IoEngine::kIoUring});
    if (!io_uring) GTEST_SKIP() << io_uring.error().to_string();
  }
  SeededRandom random(test::seed());
  const auto home = test::directory_for(GetParam().place);
  const std::filesystem::path directory = home->path() / "log";
  const LogOptions options{.segment_bytes = std::uint64_t{256} << 10,
                           .spare_segments = 1,
                           .domain = test::domain_of(GetParam().place),
                           .io_engine = GetParam().engine,
                           .environment = {}};
  void* shared =
      ::mmap(nullptr, sizeof(Progress), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(shared, MAP_FAILED);
  auto* progress = new (shared) Progress{};
  for (int kill = 0; kill < kKills; ++kill) {
    const std::uint64_t before =
        progress->acknowledged[0].load() + progress->acknowledged[1].load();
    const std::uint64_t goal = before + uniform_below(random, 40);
    const std::uint64_t writer_seed = random.next_u64();
    const auto more = std::chrono::microseconds(uniform_below(random, 1500));
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) write_until_killed(directory, options, *progress, writer_seed);
    // A goal in acknowledgements, so that kills land inside the work whatever the machine's speed,
    // then a moment more, so that they land anywhere within an append.
    int status = 0;
    while (progress->acknowledged[0].load() + progress->acknowledged[1].load() < goal) {
      ASSERT_EQ(::waitpid(child, &status, WNOHANG), 0) << "the writer gave up: " << status;
      std::this_thread::yield();
    }
    const auto end = std::chrono::steady_clock::now() + more;
    while (std::chrono::steady_clock::now() < end) std::this_thread::yield();
    ASSERT_EQ(::kill(child, SIGKILL), 0);
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << "the writer gave up: " << status;
    check(directory, options, *progress);
    if (HasFatalFailure()) FAIL() << "after kill " << kill << " of " << kKills;
  }
  EXPECT_GT(progress->acknowledged[0].load() + progress->acknowledged[1].load(), 1000U);
  ::munmap(shared, sizeof(Progress));
}

INSTANTIATE_TEST_SUITE_P(
    Domains, KillTest,
    testing::Values(KillCase{LogPlace::kBlock, IoEngine::kIoUring, "BlockIoUring"},
                    KillCase{LogPlace::kBlock, IoEngine::kPosix, "BlockPosix"},
                    KillCase{LogPlace::kEmulatedInMemory, IoEngine::kAuto, "EmulatedInMemory"}),
    [](const auto& the) { return std::string(the.param.name); });

}  // namespace
}  // namespace nacre
