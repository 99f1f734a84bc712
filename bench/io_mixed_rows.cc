#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <thread>
#include <utility>

#include "bench/io_loop.h"
#include "bench/io_rows.h"
#include "bench/thread_loop.h"
#include "bench/uring_loop.h"
#include "lib/base/try.h"

namespace nacre::bench {
namespace {

constexpr Transfer kForeground{};

Transfer background(bool write) {
  return {.write = write, .sequential = true, .bytes = std::size_t{1} << 20, .depth = 8};
}

/// A percentile of a few reads says nothing, so a short slice is made longer.
constexpr Nanoseconds kShortestSlice = std::chrono::milliseconds(100);

/// Returns once the background runs, or cannot: the first read is timed on a busy device.
template <class Running>
void lead_in(Running&& running) {
  while (!running()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

/// So many transfers of the background have ended before the first read is timed.
constexpr std::uint64_t kWarm = 8;

/// Calls `read`, one after the other, for `slice`. The figure is the 99th percentile.
template <class Read>
Result<Sample> measure_reads(Nanoseconds slice, Read&& read) {
  std::vector<std::uint64_t> latencies_ns;
  const SteadyClock::time_point end = SteadyClock::now() + std::max(slice, kShortestSlice);
  for (SteadyClock::time_point now = SteadyClock::now(); now < end;) {
    NACRE_TRY(read());
    const SteadyClock::time_point after = SteadyClock::now();
    latencies_ns.push_back(static_cast<std::uint64_t>((after - now).count()));
    now = after;
  }
  const double p50 = percentile(latencies_ns, 0.50);
  return Sample(percentile(latencies_ns, 0.99), {{"p50_ns", p50}});
}

/// So that a quiet foreground bought by a starved background shows.
void note_background(Sample& sample, std::uint64_t transfers, Nanoseconds elapsed) {
  const double seconds = std::chrono::duration<double>(elapsed).count();
  sample.beside["background_bytes_s"] =
      static_cast<double>(transfers * background(false).bytes) / seconds;
}

/// Reads of 4 KiB through the scheduler, with compaction through it or alone.
class ScheduledReads {
 public:
  ScheduledReads(std::unique_ptr<IoStack> stack, bool write)
      : stack_(std::move(stack)),
        offsets_(kForeground, stack_->file_bytes()),
        registration_(stack_->scheduler().backend(), memory_.all()),
        compaction_(*stack_, background(write), IoClass::kCompaction) {}

  Result<Sample> measure_idle(Nanoseconds slice) {
    return measure_reads(slice, [this] { return read(); });
  }

  Result<Sample> measure_loaded(Nanoseconds slice) {
    compaction_.begin(IoDriver::kScheduler);
    lead_in([this] { return compaction_.ended() > kWarm || compaction_.idle(); });
    const std::uint64_t before = compaction_.ended();
    const SteadyClock::time_point start = SteadyClock::now();
    Result<Sample> sample = measure_idle(slice);
    if (sample) note_background(*sample, compaction_.ended() - before, SteadyClock::now() - start);
    NACRE_TRY(compaction_.stop());
    return sample;
  }

 private:
  Status read() {
    IoRequest request;
    request.file = &stack_->file();
    request.offset = offsets_.next();
    request.buffers.push_back(IoBuffer::borrow(memory_.all(), registration_.slot()));
    return stack_->scheduler().run(std::move(request)).status;
  }

  std::unique_ptr<IoStack> stack_;
  Offsets offsets_;
  TransferBuffers memory_{kForeground};
  IoMemory registration_;
  IoLoop compaction_;
};

Contender scheduled(std::string name, Role role, const std::shared_ptr<DataFile>& file, bool write,
                    Result<Sample> (ScheduledReads::*measure)(Nanoseconds)) {
  return {std::move(name), role,
          fmt::format("IoScheduler over {}; the background is 8 x 1 MiB of kCompaction",
                      describe_engine({})),
          [=]() -> Result<Measure> {
            const DataFile::Place place = NACRE_TRY(file->place());
            auto reads =
                std::make_shared<ScheduledReads>(NACRE_TRY(IoStack::open(place, {})), write);
            return Measure([=](Nanoseconds slice) { return (*reads.*measure)(slice); });
          }};
}

Contender bare_idle(const std::shared_ptr<DataFile>& file) {
  return {"floor", Role::kFloor, "bare pread, nothing else on the device",
          [=]() -> Result<Measure> {
            const DataFile::Place place = NACRE_TRY(file->place());
            auto loop = NACRE_TRY(ThreadLoop::open(place, kForeground));
            return Measure([loop = std::move(loop)](Nanoseconds slice) {
              return measure_reads(slice, [&loop] { return loop->one(0); });
            });
          }};
}

/// What comes of the same load when nobody schedules it.
Contender bare_loaded(const std::shared_ptr<DataFile>& file, bool write) {
  return {"unscheduled", Role::kVariant,
          "bare pread beside a bare liburing loop with 8 x 1 MiB in flight",
          [=]() -> Result<Measure> {
            const DataFile::Place place = NACRE_TRY(file->place());
            auto loop = NACRE_TRY(ThreadLoop::open(place, kForeground));
            return Measure([=, loop = std::move(loop)](Nanoseconds slice) -> Result<Sample> {
              const DataFile::Place now = NACRE_TRY(file->place());
              std::atomic<bool> stop{false};
              std::atomic<std::uint64_t> ended{0};
              std::atomic<bool> over{false};
              Status background_status;
              std::jthread thread([&] {
                auto ring = UringLoop::open(now, background(write));
                background_status = ring ? (*ring)->run_until(stop, ended) : ring.error();
                over = true;
              });
              lead_in([&] { return ended.load(std::memory_order_relaxed) > kWarm || over.load(); });
              const std::uint64_t before = ended.load(std::memory_order_relaxed);
              const SteadyClock::time_point start = SteadyClock::now();
              Result<Sample> sample = measure_reads(slice, [&loop] { return loop->one(0); });
              if (sample) {
                note_background(*sample, ended.load(std::memory_order_relaxed) - before,
                                SteadyClock::now() - start);
              }
              stop.store(true, std::memory_order_relaxed);
              thread.join();
              NACRE_TRY(background_status);
              return sample;
            });
          }};
}

}  // namespace

std::vector<Benchmark> mixed_benchmarks(const std::shared_ptr<DataFile>& file) {
  std::vector<Benchmark> rows;
  for (const bool write : {false, true}) {
    Benchmark& row = rows.emplace_back();
    row.name = write ? "mixed/write" : "mixed/read";
    row.unit = "ns/op";
    row.bars = {{.versus = "idle", .factor = 3}};
    row.contenders.push_back(
        scheduled("nacre", Role::kNacre, file, write, &ScheduledReads::measure_loaded));
    row.contenders.push_back(
        scheduled("idle", Role::kVariant, file, write, &ScheduledReads::measure_idle));
    row.contenders.push_back(bare_idle(file));
    row.contenders.push_back(bare_loaded(file, write));
  }
  return rows;
}

}  // namespace nacre::bench
