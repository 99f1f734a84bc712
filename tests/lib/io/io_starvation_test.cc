// Foreground reads and the log beside a compaction that saturates the device, in modelled time.

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "lib/io/io_scheduler.h"
#include "lib/metrics/histogram.h"
#include "tests/lib/io/fake_io_backend.h"
#include "tests/support/seed.h"

namespace nacre {
namespace {

using test::FakeIoBackend;
using test::NoFile;

constexpr std::uint64_t kMicrosecondNs = 1'000;
constexpr std::uint64_t kSecondNs = 1'000'000'000;
constexpr std::size_t kBlock = 4096;
constexpr std::size_t kMebibyte = std::size_t{1} << 20;

/// A device that is handed one operation after the other over a bus of 1 GB/s, and then takes 60
/// to 80 µs for each, many beside one another.
class ModelledDevice {
 public:
  ModelledDevice(FakeIoBackend& backend, ManualClock& clock) : backend_(backend), clock_(clock) {
    backend.on_submit = [this](IoOperation& operation) { begin(operation); };
    backend.on_wait = [this](std::uint64_t until_ns) { wait(until_ns); };
  }

 private:
  void begin(IoOperation& operation) {
    bus_free_ns_ = std::max(bus_free_ns_, clock_.monotonic_ns()) + 2 * kMicrosecondNs +
                   operation.request.buffer_bytes();
    ends_.emplace(bus_free_ns_ + 60 * kMicrosecondNs + random_() % (20 * kMicrosecondNs),
                  &operation);
  }
  void wait(std::uint64_t until_ns) {
    const std::uint64_t now_ns = clock_.monotonic_ns();
    if (ends_.empty() || ends_.begin()->first > until_ns) {
      ASSERT_NE(until_ns, IoBackend::kForever) << "waits for nothing";
      clock_.advance_ns(until_ns - now_ns);
      return;
    }
    const auto first = ends_.begin();
    clock_.advance_ns(first->first - std::min(first->first, now_ns));
    IoOperation* const operation = first->second;
    ends_.erase(first);
    backend_.end(*operation);
  }

  FakeIoBackend& backend_;
  ManualClock& clock_;
  std::mt19937_64 random_{test::seed()};
  std::uint64_t bus_free_ns_ = 0;
  std::multimap<std::uint64_t, IoOperation*> ends_;
};

struct Load {
  std::size_t reads = 0;  ///< At a time.
  std::size_t log_writes = 0;
  std::size_t compactions = 0;
  std::uint64_t pause_ns = 0;  ///< Between two reads.
};

struct Outcome {
  HistogramCounts reads;
  HistogramCounts log_writes;
  std::uint64_t compaction_bytes = 0;

  double read_p99() const { return double(reads.percentile(99)); }
  double log_p99() const { return double(log_writes.percentile(99)); }
};

/// Keeps a load on a modelled device for some seconds.
class Simulation {
 public:
  Simulation(const Load& load, const IoQueueOptions& options) : load_(load) {
    auto backend = std::make_unique<FakeIoBackend>(32, clock_);
    device_ = std::make_unique<ModelledDevice>(*backend, clock_);
    scheduler_ = std::make_unique<IoScheduler>(
        std::move(backend), clock_,
        IoScheduler::Options{.own_thread = false, .queue = options, .start_thread = {}});
    io_file_ = std::make_unique<IoFile>(scheduler_->backend(), file_);
  }

  Outcome run() {
    for (std::size_t i = 0; i < load_.compactions; ++i) compact();
    for (std::size_t i = 0; i < load_.reads; ++i) read();
    for (std::size_t i = 0; i < load_.log_writes; ++i) write_log();
    scheduler_->drive_until_idle();
    return std::move(outcome_);
  }

 private:
  bool is_over() { return clock_.monotonic_ns() > 5 * kSecondNs; }
  /// The first second is not counted: what is measured there has to be learned first.
  bool counts() { return clock_.monotonic_ns() > kSecondNs && !is_over(); }

  void submit(IoKind kind, IoClass io_class, std::uint64_t offset, std::size_t bytes,
              std::function<void(std::uint64_t)> ended) {
    IoRequest request;
    request.kind = kind;
    request.io_class = io_class;
    request.file = io_file_.get();
    request.offset = offset;
    request.buffers.push_back(IoBuffer::borrow(std::span(memory_).first(bytes)));
    const std::uint64_t began_ns = clock_.monotonic_ns();
    scheduler_->submit(std::move(request),
                       [this, ended = std::move(ended), began_ns](IoCompletion completion) {
                         EXPECT_TRUE(completion.status.has_value());
                         ended(clock_.monotonic_ns() - began_ns);
                       });
  }
  void read() {
    submit(IoKind::kRead, IoClass::kForegroundRead, 0, kBlock, [this](std::uint64_t latency_ns) {
      if (counts()) outcome_.reads.add(latency_ns);
      clock_.advance_ns(load_.pause_ns);
      if (!is_over()) read();
    });
  }
  void write_log() {
    log_end_ += 2 * kBlock;  // Not adjacent, so that each is a write of its own.
    submit(IoKind::kWrite, IoClass::kLog, log_end_, kBlock, [this](std::uint64_t latency_ns) {
      if (counts()) outcome_.log_writes.add(latency_ns);
      if (!is_over()) write_log();
    });
  }
  void compact() {
    compacted_ += 2 * kMebibyte;
    submit(IoKind::kWrite, IoClass::kCompaction, (std::uint64_t{1} << 40) + compacted_, kMebibyte,
           [this](std::uint64_t) {
             if (counts()) outcome_.compaction_bytes += kMebibyte;
             if (!is_over()) compact();
           });
  }

  const Load load_;
  ManualClock clock_;
  NoFile file_;
  std::unique_ptr<ModelledDevice> device_;
  std::unique_ptr<IoScheduler> scheduler_;
  std::unique_ptr<IoFile> io_file_;
  std::vector<std::byte> memory_ = std::vector<std::byte>(kMebibyte);
  std::uint64_t log_end_ = 0;
  std::uint64_t compacted_ = 0;
  Outcome outcome_;
};

Outcome simulate(const Load& load, const IoQueueOptions& options = {}) {
  return Simulation(load, options).run();
}

/// Nothing but the order of the classes.
IoQueueOptions without_protection() {
  IoQueueOptions options;
  options.policy.adaptive = false;
  options.policy.piece_bytes = 0;
  return options;
}

TEST(IoStarvation, ReadsBesideASaturatingCompactionStayNearIdle) {
  for (const std::size_t reads : {1U, 4U}) {
    const Outcome idle = simulate({.reads = reads});
    const Outcome busy = simulate({.reads = reads, .compactions = 64});
    EXPECT_LE(busy.read_p99(), 3 * idle.read_p99()) << reads << " reads at a time";
    RecordProperty("idle_p99_ns_" + std::to_string(reads), std::to_string(idle.read_p99()));
    RecordProperty("busy_p99_ns_" + std::to_string(reads), std::to_string(busy.read_p99()));
    RecordProperty("compaction_bytes_" + std::to_string(reads),
                   std::to_string(busy.compaction_bytes));
    // Not by standing still: the bus carries 1 GB a second.
    EXPECT_GE(busy.compaction_bytes, 4 * std::uint64_t{150'000'000});
    // What the test would say of a scheduler that does not protect them.
    const Outcome bare = simulate({.reads = reads, .compactions = 64}, without_protection());
    EXPECT_GT(bare.read_p99(), 30 * idle.read_p99());
  }
}

TEST(IoStarvation, ReadsFarApartAreProtectedToo) {
  const std::uint64_t pause_ns = 20'000 * kMicrosecondNs;
  const Outcome idle = simulate({.reads = 1, .pause_ns = pause_ns});
  const Outcome busy = simulate({.reads = 1, .compactions = 64, .pause_ns = pause_ns});
  EXPECT_LE(busy.read_p99(), 3 * idle.read_p99());
}

TEST(IoStarvation, TheLogStaysNearIdleBesideCompaction) {
  const Outcome idle = simulate({.log_writes = 1});
  const Outcome busy = simulate({.log_writes = 1, .compactions = 64});
  EXPECT_LE(busy.log_p99(), 3 * idle.log_p99());
}

TEST(IoStarvation, TheLogDoesNotQueueBehindReads) {
  // 27 reads are what the device carries of them beside the slots of the log and one of the
  // background: how long a write takes then is the device's own doing. Behind 256 it would take
  // seven times as long.
  const Outcome device = simulate({.reads = 27, .log_writes = 4});
  const Outcome busy = simulate({.reads = 256, .log_writes = 4, .compactions = 64});
  EXPECT_GT(busy.log_writes.total(), device.log_writes.total() / 4);
  EXPECT_LE(busy.log_p99(), 2.5 * device.log_p99());
}

TEST(IoStarvation, CompactionGoesOnBesideReadsThatNeverEnd) {
  const Load load{.reads = 256, .compactions = 4};
  EXPECT_GT(simulate(load).compaction_bytes, 0U);
  IoQueueOptions options;
  options.policy.patience_ns = 1000 * kSecondNs;
  EXPECT_EQ(simulate(load, options).compaction_bytes, 0U);
}

TEST(IoStarvation, CompactionAloneHasTheDevice) {
  const Outcome alone = simulate({.compactions = 64});
  EXPECT_GE(alone.compaction_bytes, 4 * std::uint64_t{950'000'000});
}

}  // namespace
}  // namespace nacre
