// Writes until the power fails, and says after it what was lost:
//
//   nacre_cut_work WORKLOAD DIRECTORY SEED LEDGER OPERATIONS
//
// Opens what is in DIRECTORY and compares it with what LEDGER says was acknowledged; then each
// writer goes on for OPERATIONS more, noting there what is acknowledged to it. Everything that was
// ever found has to stay, as well. Status: 0 all done; 3 the disk failed, as it does when the power
// is cut, or is full; 1 something is lost, back, or altered; 2 wrong usage.

#include <fmt/format.h>

#include <atomic>
#include <charconv>
#include <cstdio>
#include <optional>
#include <string_view>
#include <thread>
#include <vector>

#include "lib/base/try.h"
#include "tests/vm/cut_ledger.h"
#include "tests/vm/cut_workload.h"

namespace nacre::test {
namespace {

constexpr int kDone = 0;
constexpr int kWrong = 1;
constexpr int kUsage = 2;
constexpr int kDiskFailed = 3;

int tell(const Error& error) {
  fmt::print(stderr, "{}\n", error.to_string());
  // A lane that has met the disk's failure answers later writes with it, and what is being closed
  // because of it with `closed`.
  switch (error.code()) {
    case ErrorCode::kIo:
    case ErrorCode::kNoSpace:
    case ErrorCode::kClosed:
      return kDiskFailed;
    default:
      return kWrong;
  }
}

class CutWork {
 public:
  CutWork(CutWorkload& workload, CutLedger& ledger, std::uint64_t operations)
      : workload_(workload), ledger_(ledger), operations_(operations) {}

  /// Compares with the ledger, and notes what was found.
  Status check() {
    for (std::uint32_t writer = 0; writer < kCutWriters; ++writer) {
      const std::uint64_t found = NACRE_TRY(workload_.recovered(writer));
      const std::uint64_t acknowledged = NACRE_TRY(ledger_.acknowledged(writer));
      fmt::print("writer {}: {} acknowledged, {} found\n", writer, acknowledged, found);
      if (found < acknowledged) {
        return Error(ErrorCode::kCorruption,
                     fmt::format("writer {}: {} operations were acknowledged, {} are there", writer,
                                 acknowledged, found));
      }
      if (found > acknowledged + kCutMostInFlight) {
        return Error(ErrorCode::kCorruption,
                     fmt::format("writer {}: {} operations were acknowledged and {} begun, {} are "
                                 "there",
                                 writer, acknowledged, acknowledged + kCutMostInFlight, found));
      }
      NACRE_TRY(ledger_.note(writer, found));
      next_.push_back(found);
    }
    return {};
  }

  Status write() {
    std::vector<std::thread> threads;
    for (std::uint32_t writer = 0; writer < kCutWriters; ++writer) {
      threads.emplace_back([this, writer] { keep(write_as(writer)); });
    }
    std::thread beside([this] { keep(work_beside()); });
    for (std::thread& thread : threads) thread.join();
    writers_gone_.store(true, std::memory_order_relaxed);
    beside.join();
    return first_error_ ? Status(*first_error_) : Status();
  }

 private:
  Status write_as(std::uint32_t writer) {
    std::uint64_t next = next_[writer];
    const std::uint64_t end = next + operations_;
    while (next < end && !told_.load(std::memory_order_relaxed)) {
      next += NACRE_TRY(workload_.operate(writer, next));
      NACRE_TRY(ledger_.note(writer, next));
    }
    return {};
  }

  Status work_beside() {
    while (!writers_gone_.load(std::memory_order_relaxed)) {
      if (!NACRE_TRY(workload_.work_beside())) std::this_thread::yield();
    }
    return {};
  }

  /// What one thread has met ends the others, too: a fault may have been there once, for one lane.
  void keep(const Status& outcome) {
    if (outcome) return;
    bool first = false;
    // The error is read when the threads have been joined.
    if (told_.compare_exchange_strong(first, true, std::memory_order_relaxed)) {
      first_error_ = outcome.error();
    }
  }

  CutWorkload& workload_;
  CutLedger& ledger_;
  const std::uint64_t operations_;
  std::vector<std::uint64_t> next_;
  std::atomic<bool> writers_gone_ = false;
  std::atomic<bool> told_ = false;
  std::optional<Error> first_error_;
};

int run(std::string_view name, const char* directory, std::uint64_t seed, const char* ledger_path,
        std::uint64_t operations) {
  const auto workload = make_cut_workload(name, seed);
  if (!workload) return kUsage;
  auto ledger = CutLedger::open(ledger_path);
  if (!ledger) return tell(ledger.error());
  if (const Status opened = workload->open(directory); !opened) return tell(opened.error());
  CutWork work(*workload, *ledger, operations);
  if (const Status checked = work.check(); !checked) return tell(checked.error());
  fmt::print("checked\n");
  std::fflush(stdout);
  if (const Status written = work.write(); !written) return tell(written.error());
  if (const Status closed = workload->close(); !closed) return tell(closed.error());
  return kDone;
}

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

std::unique_ptr<CutWorkload> make_cut_workload(std::string_view name, std::uint64_t seed) {
  if (name == "wal") return make_wal_workload(seed);
  if (name == "log") return make_log_workload(seed);
  if (name == "store") return make_store_workload(seed, /*compacting=*/false);
  if (name == "compaction") return make_store_workload(seed, /*compacting=*/true);
  return nullptr;
}

}  // namespace nacre::test

int main(int argc, char** argv) {
  using nacre::test::number;
  const auto seed = argc == 6 ? number(argv[3]) : std::nullopt;
  const auto operations = argc == 6 ? number(argv[5]) : std::nullopt;
  if (!seed || !operations) {
    fmt::print(stderr, "usage: nacre_cut_work WORKLOAD DIRECTORY SEED LEDGER OPERATIONS\n");
    return 2;
  }
  return nacre::test::run(argv[1], argv[2], *seed, argv[4], *operations);
}
