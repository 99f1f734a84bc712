#pragma once

// A log of the block domain whose batches stay under way, and power cuts in the middle of them.
//
// A power cut leaves what the files hold, and of each write under way any blocks or none. What is
// opened then must be a prefix of what was written, with everything that was acknowledged; and what
// lay behind that prefix must never come back, whatever is appended.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "nacre/executor.h"
#include "nacre/wal.h"
#include "tests/support/file_bytes.h"
#include "tests/support/result_matchers.h"
#include "tests/support/temp_directory.h"
#include "tests/support/unsynced_file_system.h"
#include "tests/wal/held_backend.h"
#include "tests/wal/log_files.h"
#include "tests/wal/recovery_fixture.h"
#include "wal/record_format.h"

namespace nacre::test {

/// Which bytes of a write, from `offset` in it on, have reached the media. `write` counts those
/// under way.
using Reached = std::function<bool(std::size_t write, std::size_t offset)>;

class PowerCutLog {
 public:
  static constexpr std::size_t kSectorBytes = 512;

  /// Opens a log in a directory of its own. Without `threads` everything runs on the test's
  /// thread, in an order that comes from `seed`.
  PowerCutLog(std::uint64_t seed, std::uint32_t lanes, std::uint64_t segment_bytes,
              bool threads = false)
      : random(seed), written(lanes), told(lanes), executor_(seed), lanes_(lanes) {
    WalOptions options = plain_options(executor_);
    options.segment_bytes = segment_bytes;
    options.environment.io = &device;
    if (threads) options.environment.executor = nullptr;
    auto opened = Wal::open(log_, options);
    EXPECT_OK(opened);
    wal.emplace(*std::move(opened));
    device.hold();
  }
  ~PowerCutLog() { close(); }
  PowerCutLog(const PowerCutLog&) = delete;
  PowerCutLog& operator=(const PowerCutLog&) = delete;

  /// Lets everything that is under way reach the file first.
  void close() {
    device.on_idle = nullptr;
    device.let_go();
    wal.reset();
  }

  /// Takes one record of `bytes` bytes. A batch that may leave beside others does so with it.
  Lsn submit(std::uint32_t lane, std::size_t bytes) {
    const std::string text = text_of(written[lane].size(), bytes);
    const auto lsn = wal->lane(lane).submit(as_bytes(text));
    EXPECT_OK(lsn);
    if (!lsn) return Lsn{};
    written[lane].push_back({*lsn, text});
    return *lsn;
  }
  /// Asks to be told of the newest record.
  void ask(std::uint32_t lane) {
    const Lsn lsn = written[lane].back().lsn;
    ++asked;
    wal->lane(lane).on_durable(lsn, [this, lane, lsn](const Status& status) {
      if (status) {
        EXPECT_GE(wal->lane(lane).durable_lsn(), lsn);
      }
      EXPECT_TRUE(told[lane].empty() || told[lane].back().lsn < lsn) << "in order, and once";
      told[lane].push_back({lsn, status});
    });
  }
  /// Of a record: mostly within a block, now and then over several.
  std::size_t random_size() { return 1 + random() % (random() % 4 == 0 ? 30'000 : 3'000); }
  /// Takes records of random sizes, `bytes` in all, the last of which asks to be told.
  void send(std::uint32_t lane, std::size_t bytes) {
    for (std::size_t left = bytes; left > 0;) {
      const std::size_t record = std::min(left, random_size());
      submit(lane, record);
      left -= std::min(left, wal::frame_bytes(record));
    }
    ask(lane);
  }

  /// How many records of `lane` have been acknowledged.
  std::size_t acknowledged(std::uint32_t lane) const {
    Lsn durable = wal->lane(lane).durable_lsn();
    for (const Told& one : told[lane]) {
      if (one.status) durable = std::max(durable, one.lsn);
    }
    std::size_t count = 0;
    while (count < written[lane].size() && written[lane][count].lsn <= durable) ++count;
    return count;
  }
  /// Whoever asked was told, and nothing but good.
  void check_all_told() const {
    std::size_t count = 0;
    for (const auto& lane : told) {
      count += lane.size();
      for (const Told& one : lane) EXPECT_OK(one.status);
    }
    EXPECT_EQ(count, asked);
  }

  /// What a power cut would leave.
  std::filesystem::path cut(const Reached& reached) {
    const auto copy = directory_.path() / ("cut" + std::to_string(++cuts_));
    copy_log(log_, copy);
    const std::vector<HeldWrite> writes = device.held();
    for (std::size_t i = 0; i < writes.size(); ++i) {
      const auto file = copy / std::filesystem::relative(writes[i].path, log_);
      const std::string_view bytes = as_text(writes[i].bytes);
      for (std::size_t at = 0; at < bytes.size(); at += kSectorBytes) {
        if (reached(i, at)) poke(file, writes[i].offset + at, bytes.substr(at, kSectorBytes));
      }
    }
    return copy;
  }

  /// Opens what was left, and sees that it goes on from there. `exactly`: so many records of lane 0
  /// must be there, neither more nor fewer.
  void check(const std::filesystem::path& copy, std::optional<std::size_t> exactly = {}) {
    const std::vector<HeldWrite> writes = device.held();
    const auto killed = copy.string() + "k";
    std::vector<std::vector<std::string>> expected;
    {
      DeterministicExecutor executor(1);
      auto opened = Wal::open(copy, plain_options(executor));
      ASSERT_OK(opened);
      Wal reopened = *std::move(opened);
      expected = contents(reopened);
      for (std::uint32_t lane = 0; lane < lanes_; ++lane) check_prefix(lane, expected[lane]);
      if (exactly) {
        EXPECT_EQ(expected[0].size(), *exactly);
      }
      for (std::uint32_t lane = 0; lane < lanes_; ++lane) {
        append_up_to_old_tail(reopened, copy, lane, writes, expected[lane]);
      }
      if (random() % 4 == 0) {
        ASSERT_OK(reopened.close());
      }
      copy_log(copy, killed);
    }
    {
      DeterministicExecutor executor(1);
      auto opened = Wal::open(killed, plain_options(executor));
      ASSERT_OK(opened);
      EXPECT_TRUE(contents(*opened) == expected) << "what lay behind the end has come back";
    }
    std::filesystem::remove_all(copy);
    std::filesystem::remove_all(killed);
  }

  /// Runs what waits to be run. Without threads alone.
  void run_tasks() { executor_.run_all(); }

  struct Written {
    Lsn lsn;
    std::string text;
  };
  /// What a callback was told.
  struct Told {
    Lsn lsn;
    Status status;
  };

  std::mt19937_64 random;
  HeldBackend device;
  std::vector<std::vector<Written>> written;  ///< By lane.
  std::vector<std::vector<Told>> told;        ///< By lane.
  std::size_t asked = 0;
  std::optional<Wal> wal;

 private:
  WalOptions plain_options(DeterministicExecutor& executor) {
    return {.lanes = lanes_,
            .spare_segments = 0,
            .domain = DomainRequest::kBlock,
            .environment = {.file_system = &files_, .executor = &executor}};
  }

  std::vector<std::vector<std::string>> contents(const Wal& log) const {
    std::vector<std::vector<std::string>> all(lanes_);
    EXPECT_OK(log.replay([&](std::uint32_t lane, const RecordView& record) {
      all[lane].emplace_back(as_text(record.payload));
      return Status();
    }));
    return all;
  }

  void check_prefix(std::uint32_t lane, const std::vector<std::string>& found) const {
    EXPECT_GE(found.size(), acknowledged(lane)) << "lost what was acknowledged on lane " << lane;
    ASSERT_LE(found.size(), written[lane].size());
    for (std::size_t i = 0; i < found.size(); ++i) {
      ASSERT_TRUE(found[i] == written[lane][i].text) << "record " << i << " of lane " << lane;
    }
  }

  /// Appends one record that ends where a batch of the old tail began: that batch would join the
  /// log if it were still there. Then some more.
  void append_up_to_old_tail(Wal& log, const std::filesystem::path& copy, std::uint32_t lane,
                             const std::vector<HeldWrite>& writes,
                             std::vector<std::string>& expected) {
    const auto append = [&](std::size_t bytes) {
      expected.push_back("after " + text_of(random() % 1000, bytes));
      expected.back().resize(bytes, 'a');
      ASSERT_OK(log.lane(lane).append(as_bytes(expected.back())));
    };
    std::uint64_t begin = kSegmentDataOffset;
    std::vector<std::uint64_t> old_batches;
    if (const auto files = lane_files(copy, lane); !files.empty()) {
      const auto frames = frames_of(files.back().path);
      if (!frames.empty()) begin = frames.back().next;
      // The rest of a block is left alone, and the next one says so.
      if (begin % wal::kBlockBytes != 0) {
        begin += 2 * wal::kBlockBytes - begin % wal::kBlockBytes;
      }
      for (const HeldWrite& write : writes) {
        const bool same = write.path.filename() == files.back().path.filename();
        if (same && write.offset > begin) old_batches.push_back(write.offset);
      }
    }
    if (!old_batches.empty()) {
      const std::uint64_t end = old_batches[random() % old_batches.size()];
      append(end - begin - sizeof(wal::FrameHeader));
    }
    for (std::size_t more = random() % 3; more > 0; --more) append(1 + random() % 6000);
  }

  TempDirectory directory_;
  std::filesystem::path log_ = directory_.path() / "log";
  UnsyncedFileSystem files_;
  DeterministicExecutor executor_;
  const std::uint32_t lanes_;
  int cuts_ = 0;
};

}  // namespace nacre::test
