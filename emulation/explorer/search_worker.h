#pragma once

// A child process that searches, since recovery may die or hang of what a crash has left.

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <string>

#include "emulation/explorer/failure_channel.h"
#include "emulation/explorer/progress.h"
#include "emulation/explorer/reproduction.h"
#include "nacre/emulation/crash_test.h"

namespace nacre {

/// What is searched.
struct SearchTask {
  const CrashProgram& program;
  const CrashTestOptions& options;
  const Reproduction* reproduction = nullptr;  ///< That state alone.
  ThreadScheduleOptions schedule = {};         ///< Of the threads of the workload.
  /// Hashes of what has been searched under other schedules, and is not again.
  const std::set<std::uint64_t>& known_traces;
};

/// Its share of the crash points.
struct SearchShard {
  std::size_t index = 0;
  std::size_t count = 1;
};

/// How a worker's child has ended.
struct WorkerEnd {
  bool is_finished = false;
  std::string death = {};  ///< What it died of, where it is not finished.
};

class SearchWorker {
 public:
  /// Lifetime: what `task` borrows outlives this.
  SearchWorker(const SearchTask& task, const SearchShard& shard);
  ~SearchWorker();
  SearchWorker(const SearchWorker&) = delete;
  SearchWorker& operator=(const SearchWorker&) = delete;

  /// Forks a child that goes on from where the one before it died.
  void start();
  /// A failure the child has found, or none so far.
  std::optional<CrashFailure> receive() { return channel_.receive(); }
  std::uint64_t untold_failures() const noexcept { return channel_.untold(); }
  /// None while the child is there. Ends it where it does nothing for too long.
  std::optional<WorkerEnd> poll();

  const SearchProgress& progress() const noexcept { return *progress_; }

 private:
  using Clock = std::chrono::steady_clock;

  [[noreturn]] void run() noexcept;
  /// Whether it has not called the program under test anew for as long as a call may take.
  bool is_stuck();
  int wait_for_end() noexcept;

  SearchTask task_;
  SearchShard shard_;
  SearchProgress* progress_;  // In shared memory.
  FailureChannel channel_;
  std::optional<SearchPosition> resume_;
  pid_t child_ = -1;
  std::uint64_t last_beats_ = 0;
  Clock::time_point last_beat_at_;
};

}  // namespace nacre
