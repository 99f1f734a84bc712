#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "emulation/simulation/simulated_device.h"
#include "lib/base/assert.h"
#include "lib/base/try.h"
#include "nacre/wal.h"
#include "pmem/block_region.h"
#include "tools/crash_suites/structure_suites.h"
#include "tools/crash_suites/wal_workload.h"
#include "tools/crash_suites/workload.h"

namespace nacre::tools {
namespace {

/// Of so many bytes a lane sends a second batch beside the first (wal/lane_commit.cc).
constexpr std::size_t kBesideAnotherBytes = 32768;
/// Of two writes that are under way the device then ends the second one first.
constexpr std::uint64_t kSecondEndsFirst = 2;

/// A simulated device that calls back once while its first write is under way, and before any ends.
class CallingDevice final : public IoBackend {
 public:
  explicit CallingDevice(FileSystem& file_system) : device_(file_system, kSecondEndsFirst) {}

  void call_while_under_way(std::function<void()> meanwhile) { meanwhile_ = std::move(meanwhile); }
  bool second_ended_first() const noexcept { return second_ended_first_; }

  void submit(std::span<IoOperation* const> operations, bool reap_follows) override {
    if (first_ == nullptr && meanwhile_) first_ = operations.front();
    device_.submit(operations, reap_follows);
  }
  std::size_t reap(std::span<IoOperation*> ended, std::uint64_t wait_ns) override {
    if (meanwhile_ && first_ != nullptr) {
      // What it submits is queued by the thread that drives, which is this one.
      std::exchange(meanwhile_, nullptr)();
      return 0;
    }
    const std::size_t count = device_.reap(ended, wait_ns);
    if (count > 0 && first_ != nullptr) {
      second_ended_first_ = ended.front() != first_;
      first_ = nullptr;
    }
    return count;
  }
  void wake() noexcept override { device_.wake(); }
  void cancel(IoOperation& operation) override { device_.cancel(operation); }
  std::size_t depth() const noexcept override { return device_.depth(); }
  const IoBackendInfo& info() const noexcept override { return device_.info(); }
  bool holds(const IoFile& file) override { return device_.holds(file); }

 private:
  SimulatedDevice device_;
  std::function<void()> meanwhile_;
  IoOperation* first_ = nullptr;  // Until one has ended.
  bool second_ended_first_ = false;
};

/// A log of one lane on such a device.
class WalOnCallingDevice {
 public:
  WalOnCallingDevice(SimulatedMachine& machine, const SuiteModel& model)
      : environment_(model.environment(machine)), device_(*environment_.file_system) {
    domain_ = require(pmem::make_block_domain(
        environment_.domain->info(), *environment_.file_system,
        {.backend = &device_, .clock = environment_.clock, .executor = environment_.executor}));
    environment_.domain = domain_.get();
    wal_.emplace(require(Wal::open(
        "/log",
        {.segment_bytes = kMinSegmentBytes, .spare_segments = 0, .environment = environment_})));
  }

  Lane lane() { return wal_->lane(0); }
  CallingDevice& device() { return device_; }
  Executor& executor() { return *environment_.executor; }

 private:
  Environment environment_;
  CallingDevice device_;
  std::unique_ptr<pmem::Domain> domain_;
  std::optional<Wal> wal_;
};

/// What the log holds in the end: one that is there before, one of a block, and one that is large
/// enough to be sent beside it. Most of the last is zeros, as the segment was before, so that a
/// crash has only those of its sectors to decide about that hold anything else.
const Records& all_records() {
  static const Records all = [] {
    Records records = {record_text(0, 8), record_text(1, 1200), std::string()};
    records[2].resize(kBesideAnotherBytes);
    const std::string text = record_text(2, 16);
    for (const std::size_t at : {std::size_t{0}, kBesideAnotherBytes / 2}) {
      records[2].replace(at, text.size(), text);
    }
    records[2] += text;
    return records;
  }();
  return all;
}

void append_two(WalOnCallingDevice& wal, CrashRun& run) {
  std::size_t durable = 0;
  const auto submit = [&](std::size_t record) {
    const std::string& text = all_records()[record];
    const std::size_t operation = run.begin(fmt::format("append {} bytes", text.size()));
    const Lsn lsn = require(wal.lane().submit(as_bytes(text)));
    wal.lane().on_durable(lsn, [&run, &durable, operation](const Status& status) {
      require(status);
      run.end(operation);
      ++durable;
    });
  };
  wal.device().call_while_under_way([&] { submit(2); });
  submit(1);
  wal.executor().run_until([&] { return durable == 2; });
  // Otherwise it tests less than it says.
  NACRE_ASSERT(wal.device().second_ended_first());
}

Status check(const Records& found, const CrashHistory& history) {
  // The first record was there before.
  const std::size_t least = 1 + std::min<std::size_t>(history.completed_count(), 2);
  const std::size_t most = 1 + std::min<std::size_t>(history.begun_count(), 2);
  if (found.size() < least || found.size() > most) {
    return wrong(
        fmt::format("found {} records; {} were acknowledged, {} begun", found.size(), least, most));
  }
  if (std::ranges::equal(found, std::span(all_records()).first(found.size()))) return {};
  return wrong("a record is there, and one before it is not");
}

}  // namespace

CrashReport explore_wal_two_writes(const SuiteModel& model, CrashTestOptions options) {
  auto wal = std::make_shared<std::optional<WalOnCallingDevice>>();
  return CrashTest<Records>(suite_options(model, std::move(options)))
      .setup([=, &model](SimulatedMachine& machine) {
        wal->emplace(machine, model);
        require((*wal)->lane().append(as_bytes(all_records().front())));
      })
      .run([=](SimulatedMachine&, CrashRun& run) {
        append_two(**wal, run);
        run.operation("close", [&] { wal->reset(); });
      })
      .recover([&model](SimulatedMachine& machine) { return read_records(machine, model, 1); })
      .check(check)
      .use([&model](SimulatedMachine& machine) {
        // Of a block: what comes next in the segment is where the second write began.
        return append_one_more(machine, model, 1, "one more");
      })
      .explore();
}

}  // namespace nacre::tools
