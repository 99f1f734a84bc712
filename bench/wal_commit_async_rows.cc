#include <immintrin.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bench/commit_contenders.h"
#include "bench/stopwatch.h"
#include "bench/uring_loop.h"
#include "bench/wal_rows.h"
#include "lib/base/try.h"
#include "nacre/wal.h"

namespace nacre::bench {
namespace {

constexpr std::uint64_t kWindow = 4096;
constexpr double kWantedRecordsPerSecond = 1e6;
constexpr double kWantedP99Ns = 1e6;

enum class Offer : std::uint8_t {
  kFullWindow,  ///< The next record as soon as the window has room.
  kPaced,       ///< One each microsecond, whatever became of those before.
};

enum class AtTheBound : std::uint8_t {
  kSleep,  ///< The submitting thread sleeps until a callback makes room.
  kWait,   ///< It waits for the oldest ticket, and so takes part in the group commit.
};

/// One thread that submits records of 100 bytes, with at most a window of tickets in flight.
class AsyncCommits {
 public:
  AsyncCommits(ScratchDirectory directory, Wal wal, std::size_t segment_bytes)
      : directory_(std::move(directory)),
        wal_(std::move(wal)),
        lane_(wal_.lane(0)),
        truncate_every_(segment_bytes / record_bytes(kCommitPayloadBytes) / 4) {}

  Result<Sample> measure(Nanoseconds slice, Offer offer, AtTheBound at_the_bound) {
    latencies_ns_.clear();
    // Room for 10 million a second: a vector that grows would be felt in the latencies it holds.
    latencies_ns_.reserve(static_cast<std::size_t>(slice.count() / 100) + kWindow);
    const std::uint64_t first = submitted_;
    const Stopwatch watch;
    start_ = SteadyClock::now();
    const SteadyClock::time_point end = start_ + slice;
    for (SteadyClock::time_point now = start_; now < end; now = SteadyClock::now()) {
      if (offer == Offer::kPaced) now = wait_until_due(submitted_ - first);
      if (submitted_ - ended() >= kWindow) wait_for_room(at_the_bound);
      NACRE_TRY(submit(now));
    }
    while (ended() < submitted_) wait_for_room(at_the_bound);
    Sample sample = watch.operations_per_second(submitted_ - first);
    if (error_) return *error_;
    sample.beside["p50_ns"] = percentile(latencies_ns_, 0.50);
    sample.beside["p99_ns"] = percentile(latencies_ns_, 0.99);
    return sample;
  }

 private:
  // Acquire pairs with the release in the callback: its latencies and its error are seen.
  std::uint64_t ended() const noexcept { return ended_.load(std::memory_order_acquire); }

  /// Returns when record `index` of the slice was due. Latency counts from there, so that a stall
  /// is charged to every record it delays.
  SteadyClock::time_point wait_until_due(std::uint64_t index) const {
    constexpr auto kInterval =
        Nanoseconds(static_cast<std::int64_t>(1e9 / kWantedRecordsPerSecond));
    const SteadyClock::time_point due = start_ + kInterval * static_cast<std::int64_t>(index);
    while (SteadyClock::now() < due) _mm_pause();
    return due;
  }

  void wait_for_room(AtTheBound at_the_bound) {
    const std::uint64_t oldest = ended();
    if (oldest == submitted_) return;
    if (at_the_bound == AtTheBound::kWait) {
      // Its error reaches the callback too.
      static_cast<void>(lane_.wait(tickets_[oldest % kWindow]));
    }
    // What the wait has made durable may still be on its way through the callbacks.
    ended_.wait(oldest, std::memory_order_acquire);
  }

  Status submit(SteadyClock::time_point begun) {
    const std::uint64_t number = submitted_;
    begun_[number % kWindow] = begun;
    const Lsn lsn = NACRE_TRY(lane_.submit(payloads_.at(number)));
    tickets_[number % kWindow] = lsn;
    ++submitted_;
    lane_.on_durable(lsn, [this, number](const Status& outcome) { note_durable(number, outcome); });
    if (submitted_ % truncate_every_ == 0) NACRE_TRY(wal_.truncate(lane_.durable_lsn()));
    return {};
  }

  /// Callbacks come one at a time and in log order.
  void note_durable(std::uint64_t number, const Status& outcome) {
    if (!outcome && !error_) error_ = outcome.error();
    const Nanoseconds latency = SteadyClock::now() - begun_[number % kWindow];
    latencies_ns_.push_back(static_cast<std::uint64_t>(latency.count()));
    ended_.store(number + 1, std::memory_order_release);
    ended_.notify_one();
  }

  ScratchDirectory directory_;
  Payloads payloads_{kCommitPayloadBytes};
  std::array<SteadyClock::time_point, kWindow> begun_;
  std::array<Lsn, kWindow> tickets_;
  SteadyClock::time_point start_;
  std::uint64_t submitted_ = 0;
  std::atomic<std::uint64_t> ended_{0};
  std::vector<std::uint64_t> latencies_ns_;  // By callbacks; read when none is in flight.
  std::optional<Error> error_;               // As the latencies.
  Wal wal_;                                  // Closed first: a callback may still be under way.
  Lane lane_;
  std::uint64_t truncate_every_;
};

Contender nacre_tickets(std::string name, Role role, const Setting& setting, Offer offer,
                        AtTheBound at_the_bound) {
  const char* const tuning =
      at_the_bound == AtTheBound::kSleep
          ? "block domain, one lane, submit and on_durable; sleeps when 4096 are in flight"
          : "block domain, one lane, submit and on_durable; waits for the oldest of 4096";
  return {std::move(name), role, tuning, [=]() -> Result<Measure> {
            ScratchDirectory directory = NACRE_TRY(scratch_on_disk(setting));
            WalOptions options;
            options.segment_bytes = commit_file_bytes(setting);
            options.domain = DomainRequest::kBlock;
            Wal wal = NACRE_TRY(Wal::open(directory.path() / "wal", options));
            auto commits = std::make_shared<AsyncCommits>(std::move(directory), std::move(wal),
                                                          options.segment_bytes);
            return Measure(
                [=](Nanoseconds slice) { return commits->measure(slice, offer, at_the_bound); });
          }};
}

/// What the device makes of the window, whole, in as few writes as keep it busy.
Contender floor_writes(const Setting& setting) {
  constexpr Transfer kWrites{.write = true, .sequential = true, .bytes = 128 << 10, .depth = 4};
  static_assert(kWrites.bytes * kWrites.depth == kWindow * 128);
  return {"floor", Role::kFloor,
          "bare liburing: 4 writes of 128 KiB in flight, O_DIRECT|O_DSYNC, counted as 1024 records "
          "each; latency is a write's",
          [=]() -> Result<Measure> {
            ScratchDirectory directory = NACRE_TRY(scratch_on_disk(setting));
            const DataFile::Place place{.path = directory.path() / "file",
                                        .bytes = commit_file_bytes(setting)};
            NACRE_TRY(create_written_file(place.path, place.bytes));
            auto loop = NACRE_TRY(UringLoop::open(place, kWrites, /*data_sync=*/true));
            auto kept = std::make_shared<ScratchDirectory>(std::move(directory));
            return Measure([=, loop = std::move(loop)](Nanoseconds slice) -> Result<Sample> {
              const double records = static_cast<double>(kWrites.bytes) /
                                     static_cast<double>(record_bytes(kCommitPayloadBytes));
              Sample sample = NACRE_TRY(loop->run(slice, /*with_latency=*/true));
              sample.figure *= records;
              sample.beside["cpu_ns"] /= records;
              return sample;
            });
          }};
}

}  // namespace

std::vector<Benchmark> commit_async_benchmarks(const Setting& setting) {
  std::vector<Benchmark> rows;
  Benchmark& full = rows.emplace_back();
  full.name = "commit_block_async";
  full.bars = {{"", kWantedRecordsPerSecond}, {"", kWantedP99Ns, "p99_ns"}};
  full.contenders.push_back(
      nacre_tickets("nacre", Role::kNacre, setting, Offer::kFullWindow, AtTheBound::kSleep));
  full.contenders.push_back(nacre_tickets("nacre_waiting", Role::kVariant, setting,
                                          Offer::kFullWindow, AtTheBound::kWait));
  full.contenders.push_back(floor_writes(setting));

  Benchmark& paced = rows.emplace_back();
  paced.name = "commit_block_async_paced";
  // The rate counts to the last acknowledgement, which comes after the last record was due.
  paced.bars = {{"", 0.98 * kWantedRecordsPerSecond}, {"", kWantedP99Ns, "p99_ns"}};
  paced.contenders.push_back(
      nacre_tickets("nacre", Role::kNacre, setting, Offer::kPaced, AtTheBound::kSleep));
  for (Benchmark& row : rows) {
    row.unit = "ops/s";
    row.better = Better::kHigher;
  }
  return rows;
}

}  // namespace nacre::bench
