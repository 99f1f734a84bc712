// A whole log replays from one seed: with every seam taken by a deterministic one, the same seed
// does the same file operations in the same order, and another seed does others.

#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>
#include <string>

#include "nacre/emulation/fault_file_system.h"
#include "nacre/log.h"
#include "tests/support/result_matchers.h"
#include "tests/support/seed.h"
#include "tests/support/temp_directory.h"

namespace nacre {
namespace {

class ReplayTest : public testing::Test {
 protected:
  /// Every file operation of a run, one a line, without the directory's own name.
  std::string run(std::uint64_t seed) {
    const test::TempDirectory home;
    const std::filesystem::path directory = home.path() / "log";
    PosixFileSystem kernel;
    FaultFileSystem files(kernel);
    ManualClock clock;
    SeededRandom random(seed);
    DeterministicExecutor executor(seed);
    auto domain = pmem::choose_domain(kernel, home.path(), DomainRequest::kBlock,
                                      {.clock = &clock, .executor = &executor});
    EXPECT_TRUE(test::is_ok(domain));
    LogOptions options;
    options.segment_bytes = std::uint64_t{64} << 10;
    options.spare_segments = 2;
    options.environment = {.file_system = &files,
                           .clock = &clock,
                           .random = &random,
                           .executor = &executor,
                           .domain = domain->get()};
    for (int life = 0; life < 2; ++life) work(directory, options, executor, random);
    std::ostringstream trace;
    for (const FileEvent& event : files.plan().trace()) {
      trace << static_cast<int>(event.operation) << ' '
            << event.path.lexically_relative(home.path()).string() << ' ' << event.offset << ' '
            << event.bytes << '\n';
    }
    return trace.str();
  }

  static void work(const std::filesystem::path& directory, const LogOptions& options,
                   DeterministicExecutor& executor, RandomSource& random) {
    ASSERT_OK_AND_ASSIGN(Log log, Log::open(directory, options));
    ASSERT_OK_AND_ASSIGN(Topic topic, log.open_or_create_topic("t", 3));
    std::uint64_t durable = 0;
    for (int i = 0; i < 200; ++i) {
      Partition partition =
          topic.partition(static_cast<std::uint32_t>(uniform_below(random, topic.partitions())));
      const std::string text(1 + uniform_below(random, 3000), 'x');
      ASSERT_OK_AND_ASSIGN(const Offset at, partition.submit({.value = as_bytes(text)}));
      partition.on_durable(at, [&durable](Status status) {
        EXPECT_TRUE(test::is_ok(status));
        ++durable;
      });
      // Background work runs now and then, a task at a time, in an order the seed chooses.
      if (uniform_below(random, 4) == 0) executor.run_all();
      if (uniform_below(random, 40) == 0) {
        ASSERT_OK(partition.truncate(partition.durable_end()));
      }
    }
    ASSERT_OK(log.close());
    EXPECT_EQ(durable, 200U);
  }
};

TEST_F(ReplayTest, TheSameSeedDoesTheSameInTheSameOrder) {
  const std::uint64_t seed = test::seed();
  const std::string first = run(seed);
  EXPECT_GT(std::ranges::count(first, '\n'), 300);
  EXPECT_EQ(first, run(seed));
  EXPECT_NE(first, run(seed + 1));
}

}  // namespace
}  // namespace nacre
