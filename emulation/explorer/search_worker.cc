#include "emulation/explorer/search_worker.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <new>
#include <utility>

#include "emulation/explorer/explorer.h"
#include "emulation/explorer/process_end.h"
#include "lib/base/assert.h"

namespace nacre {
namespace {

/// What a call of the program under test may take of the wall clock, beside its processor time: it
/// sees a recovery that waits for ever, and must not see a machine that is busy.
double stuck_seconds(const CrashTestOptions& options) {
  constexpr double kLeastSeconds = 60;
  constexpr double kTimesProcessorTime = 20;
  if (options.stuck_seconds > 0) return options.stuck_seconds;
  return std::max(kLeastSeconds, kTimesProcessorTime * options.recovery_seconds);
}

}  // namespace

SearchWorker::SearchWorker(const SearchTask& task, const SearchShard& shard)
    : task_(task), shard_(shard) {
  void* const memory = ::mmap(nullptr, sizeof(SearchProgress), PROT_READ | PROT_WRITE,
                              MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  NACRE_ASSERT(memory != MAP_FAILED);
  progress_ = new (memory) SearchProgress();
  progress_->schedule = task.schedule;
}

SearchWorker::~SearchWorker() {
  // 0, which is what the child itself has there, would be the whole group of processes.
  if (child_ > 0) {
    ::kill(child_, SIGKILL);
    wait_for_end();
  }
  ::munmap(progress_, sizeof *progress_);
}

void SearchWorker::start() {
  progress_->end = SearchEnd::kNotYet;
  progress_->counts.recorded = false;
  last_beat_at_ = Clock::now();
  child_ = ::fork();
  NACRE_ASSERT(child_ >= 0);
  if (child_ == 0) run();
}

void SearchWorker::run() noexcept {
  end_with_parent();
  Explorer explorer(task_.program, task_.options, *progress_,
                    [&](const CrashFailure& failure) { channel_.send(failure); });
  watch_for_hangs(*progress_, progress_->end, task_.options.recovery_seconds);
  Status done = explorer.record();
  if (done && task_.reproduction != nullptr) done = explorer.reproduce(*task_.reproduction);
  if (!done) {
    CrashFailure refusal;
    refusal.message = done.error().to_string();
    channel_.send(refusal);
  } else if (task_.reproduction == nullptr &&
             !task_.known_traces.contains(progress_->counts.trace_hash)) {
    explorer.search(shard_.index, shard_.count, resume_ ? &*resume_ : nullptr);
  }
  progress_->end = done ? SearchEnd::kFinished : SearchEnd::kRefused;
  // Not exit(): what the parent has registered and buffered is the parent's.
  ::_exit(0);
}

std::optional<WorkerEnd> SearchWorker::poll() {
  int status = 0;
  const pid_t ended = ::waitpid(child_, &status, WNOHANG);
  const bool is_stopped = ended == 0 && is_stuck();
  if (ended == 0 && !is_stopped) return std::nullopt;
  if (is_stopped) {
    ::kill(child_, SIGKILL);
    status = wait_for_end();
  }
  child_ = -1;
  resume_ = progress_->position;
  const SearchEnd end = progress_->end;
  if (end == SearchEnd::kFinished || end == SearchEnd::kRefused) return WorkerEnd{true};
  if (is_stopped) {
    return WorkerEnd{false, fmt::format("{} did not end within {} s, and took less than {} s of "
                                        "processor time: it waits, or was stopped",
                                        stage_name(progress_->stage), stuck_seconds(task_.options),
                                        task_.options.recovery_seconds)};
  }
  return WorkerEnd{false,
                   process_end_text(status, *progress_, end, task_.options.recovery_seconds)};
}

bool SearchWorker::is_stuck() {
  const Clock::time_point now = Clock::now();
  const std::uint64_t beats = progress_->beats;
  if (std::exchange(last_beats_, beats) != beats) last_beat_at_ = now;
  const std::chrono::duration<double> silence = now - last_beat_at_;
  return silence.count() > stuck_seconds(task_.options);
}

int SearchWorker::wait_for_end() noexcept {
  int status = 0;
  while (::waitpid(child_, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}

}  // namespace nacre
