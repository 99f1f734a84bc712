#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "bench/io_loop.h"
#include "bench/io_rows.h"
#include "lib/base/try.h"

namespace nacre::bench {
namespace {

/// Has done every operation by the time it is asked for it. Of one thread.
class InstantBackend final : public IoBackend {
 public:
  void submit(std::span<IoOperation* const> operations, bool) override {
    ended_.insert(ended_.end(), operations.begin(), operations.end());
  }
  std::size_t reap(std::span<IoOperation*> ended, std::uint64_t) override {
    const std::size_t count = std::min(ended.size(), ended_.size());
    for (std::size_t i = 0; i < count; ++i) {
      IoOperation& operation = *ended_[i];
      operation.transferred = operation.request.buffers.front().size();
      ended[i] = &operation;
    }
    ended_.erase(ended_.begin(), ended_.begin() + static_cast<std::ptrdiff_t>(count));
    return count;
  }
  void wake() noexcept override {}
  void cancel(IoOperation&) override {}
  std::size_t depth() const noexcept override { return 128; }
  const IoBackendInfo& info() const noexcept override { return info_; }
  bool holds(const IoFile& /*file*/) override { return true; }

 private:
  std::vector<IoOperation*> ended_;
  IoBackendInfo info_{.name = "instant", .reason = "", .features = {}};
};

Contender scheduled(const Transfer& transfer) {
  return {"nacre", Role::kNacre,
          "IoScheduler over a backend that completes at once; each callback submits the next",
          [=]() -> Result<Measure> {
            struct State {
              std::unique_ptr<IoStack> stack;
              IoLoop loop;
              State(std::unique_ptr<IoStack> opened, const Transfer& work)
                  : stack(std::move(opened)), loop(*stack, work, IoClass::kForegroundRead) {}
            };
            auto state = std::make_shared<State>(
                NACRE_TRY(IoStack::over(std::make_unique<InstantBackend>())), transfer);
            return Measure([=](Nanoseconds slice) -> Result<Sample> {
              const Sample rate = NACRE_TRY(state->loop.measure(slice));
              return 1e9 / rate.figure;
            });
          }};
}

Contender unscheduled(const Transfer& transfer) {
  return {"floor", Role::kFloor, "the same backend called by hand with the same operations",
          [=]() -> Result<Measure> {
            auto memory = std::make_shared<TransferBuffers>(transfer);
            return Measure([=](Nanoseconds slice) -> Result<Sample> {
              InstantBackend backend;
              std::vector<IoOperation> operations(transfer.depth);
              std::vector<IoOperation*> going;
              for (std::size_t i = 0; i < transfer.depth; ++i) {
                operations[i].request.buffers.push_back(IoBuffer::borrow(memory->at(i)));
                going.push_back(&operations[i]);
              }
              std::uint64_t ended = 0;
              const Stopwatch watch;
              while (watch.elapsed() < slice) {
                backend.submit(going, true);
                ended += backend.reap(going, IoBackend::kForever);
              }
              return watch.ns_per_operation(ended).figure;
            });
          }};
}

}  // namespace

std::vector<Benchmark> overhead_benchmarks() {
  std::vector<Benchmark> rows;
  for (const std::size_t depth : {1U, 32U}) {
    Benchmark& row = rows.emplace_back();
    row.name = fmt::format("scheduler_overhead/{}", depth);
    row.unit = "ns/op";
    row.contenders.push_back(scheduled({.depth = depth}));
    row.contenders.push_back(unscheduled({.depth = depth}));
  }
  return rows;
}

}  // namespace nacre::bench
