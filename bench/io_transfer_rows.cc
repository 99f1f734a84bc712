#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>

#include "bench/io_loop.h"
#include "bench/io_rows.h"
#include "bench/thread_loop.h"
#include "bench/uring_loop.h"
#include "lib/base/try.h"

namespace nacre::bench {
namespace {

constexpr std::size_t kLargeBytes = std::size_t{1} << 20;
constexpr std::size_t kLargeDepth = 8;
/// More threads only wait for each other, whatever the depth.
constexpr std::size_t kMostThreads = 16;

Contender through_scheduler(std::string name, Role role, const std::shared_ptr<DataFile>& file,
                            const Transfer& transfer, const IoBackendOptions& options) {
  const std::string tuning = fmt::format(
      "IoScheduler over {}{}, {}", describe_engine(options),
      options.engine == IoEngine::kPosix ? fmt::format(" ({} threads)", options.threads) : "",
      options.single_thread ? "one thread alone" : "open to any thread");
  return {std::move(name), role, tuning, [=]() -> Result<Measure> {
            struct State {
              std::unique_ptr<IoStack> stack;
              IoLoop loop;
              State(std::unique_ptr<IoStack> opened, const Transfer& work)
                  : stack(std::move(opened)), loop(*stack, work, IoClass::kForegroundRead) {}
            };
            const DataFile::Place place = NACRE_TRY(file->place());
            auto state =
                std::make_shared<State>(NACRE_TRY(IoStack::open(place, options)), transfer);
            return Measure([=](Nanoseconds slice) { return state->loop.measure(slice); });
          }};
}

Contender bare_liburing(std::string name, Role role, const std::shared_ptr<DataFile>& file,
                        const Transfer& transfer) {
  return {
      std::move(name), role,
      "bare liburing loop: SINGLE_ISSUER, DEFER_TASKRUN, registered file, buffers and ring",
      [=]() -> Result<Measure> {
        const DataFile::Place place = NACRE_TRY(file->place());
        auto loop = NACRE_TRY(UringLoop::open(place, transfer));
        return Measure([loop = std::move(loop)](Nanoseconds slice) { return loop->run(slice); });
      }};
}

Contender bare_calls(std::string name, Role role, const std::shared_ptr<DataFile>& file,
                     const Transfer& transfer) {
  return {
      std::move(name), role,
      fmt::format("bare {} loop, {} thread(s)", transfer.write ? "pwrite" : "pread",
                  transfer.depth),
      [=]() -> Result<Measure> {
        const DataFile::Place place = NACRE_TRY(file->place());
        auto loop = NACRE_TRY(ThreadLoop::open(place, transfer));
        return Measure([loop = std::move(loop)](Nanoseconds slice) { return loop->run(slice); });
      }};
}

Benchmark row_of(std::string name, const Transfer& transfer, double least_share_of_floor) {
  return {.name = std::move(name),
          .unit = transfer.unit(),
          .better = Better::kHigher,
          .contenders = {},
          .bars = {{.versus = "floor", .factor = least_share_of_floor}}};
}

Benchmark uring_row(std::string name, const std::shared_ptr<DataFile>& file,
                    const Transfer& transfer) {
  const IoBackendOptions alone{.single_thread = true};
  const IoBackendOptions shared;
  // A single read has nothing to overlap with, so that a system call is all it needs.
  const bool by_call = transfer.depth == 1;
  Benchmark row = row_of(std::move(name), transfer, by_call ? 1 / 1.08 : 0.95);
  row.contenders.push_back(through_scheduler("nacre", Role::kNacre, file, transfer, alone));
  row.contenders.push_back(
      through_scheduler("nacre_shared", Role::kVariant, file, transfer, shared));
  if (by_call) {
    row.contenders.push_back(bare_calls("floor", Role::kFloor, file, transfer));
    row.contenders.push_back(bare_liburing("bare_liburing", Role::kVariant, file, transfer));
  } else {
    row.contenders.push_back(bare_liburing("floor", Role::kFloor, file, transfer));
  }
  return row;
}

/// On its own terms: against as many threads as the backend may have.
Benchmark posix_row(std::string name, const std::shared_ptr<DataFile>& file,
                    const Transfer& transfer) {
  Transfer bare = transfer;
  bare.depth = std::min(transfer.depth, kMostThreads);
  const IoBackendOptions options{.engine = IoEngine::kPosix, .threads = bare.depth};
  Benchmark row = row_of(std::move(name), transfer, 1 / 1.3);
  row.contenders.push_back(through_scheduler("nacre", Role::kNacre, file, transfer, options));
  row.contenders.push_back(bare_calls("floor", Role::kFloor, file, bare));
  return row;
}

Transfer large(bool write) {
  return {.write = write, .sequential = true, .bytes = kLargeBytes, .depth = kLargeDepth};
}

}  // namespace

std::vector<Benchmark> transfer_benchmarks(const std::shared_ptr<DataFile>& file) {
  std::vector<Benchmark> rows;
  for (const std::size_t depth : {1U, 32U, 128U}) {
    rows.push_back(uring_row(fmt::format("rand_read_4k/{}", depth), file, {.depth = depth}));
  }
  rows.push_back(uring_row("seq_read", file, large(/*write=*/false)));
  rows.push_back(uring_row("seq_write", file, large(/*write=*/true)));
  return rows;
}

std::vector<Benchmark> posix_benchmarks(const std::shared_ptr<DataFile>& file) {
  std::vector<Benchmark> rows;
  for (const std::size_t depth : {1U, 32U, 128U}) {
    rows.push_back(posix_row(fmt::format("rand_read_4k_posix/{}", depth), file, {.depth = depth}));
  }
  for (const std::size_t depth : {1U, 32U}) {
    rows.push_back(posix_row(fmt::format("posix/rand_write_4k/{}", depth), file,
                             {.write = true, .depth = depth}));
  }
  rows.push_back(posix_row("posix/seq_read", file, large(/*write=*/false)));
  rows.push_back(posix_row("posix/seq_write", file, large(/*write=*/true)));
  return rows;
}

}  // namespace nacre::bench
