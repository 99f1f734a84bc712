#include "emulation/explorer/process_end.h"

#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdint>
#include <cstring>

#include "emulation/simulation/turn_scheduler.h"

namespace nacre {
namespace {

/// Longer than any test, and less than a timer can be set to.
constexpr double kMaxSeconds = 1e8;

// What the timer looks at.
const SearchProgress* watched = nullptr;
SearchEnd* watched_end = nullptr;
std::uint64_t beats_at_last_tick = 0;

void on_tick(int) {
  if (watched->beats == beats_at_last_tick) {
    *watched_end = SearchEnd::kHung;
    ::_exit(1);
  }
  beats_at_last_tick = watched->beats;
}

}  // namespace

std::string_view stage_name(ProgramStage stage) noexcept {
  switch (stage) {
    case ProgramStage::kSetup:
      return "setup";
    case ProgramStage::kRun:
      return "run";
    case ProgramStage::kRecover:
      return "recovery";
    case ProgramStage::kCheck:
      return "check";
    case ProgramStage::kUse:
      return "use";
  }
  return "?";
}

void watch_for_hangs(const SearchProgress& progress, SearchEnd& end, double seconds) {
  watched = &progress;
  watched_end = &end;
  beats_at_last_tick = ~std::uint64_t{0};
  std::signal(SIGPROF, &on_tick);
  seconds = std::min(seconds, kMaxSeconds);
  itimerval timer{};
  timer.it_interval.tv_sec = static_cast<time_t>(seconds);
  timer.it_interval.tv_usec =
      static_cast<suseconds_t>((seconds - static_cast<double>(timer.it_interval.tv_sec)) * 1e6);
  timer.it_value = timer.it_interval;
  // Time in the kernel counts, too: one that hangs may do nothing but call it.
  ::setitimer(ITIMER_PROF, &timer, nullptr);
}

void end_with_parent() noexcept { ::prctl(PR_SET_PDEATHSIG, SIGKILL); }

std::string process_end_text(int status, const SearchProgress& progress, SearchEnd end,
                             double recovery_seconds) {
  const std::string_view stage = stage_name(progress.stage);
  if (end == SearchEnd::kHung) {
    return fmt::format("{} did not end within {} s of processor time", stage, recovery_seconds);
  }
  if (WIFSIGNALED(status)) {
    return fmt::format("{} died of signal {} ({})", stage, WTERMSIG(status),
                       ::strsignal(WTERMSIG(status)));
  }
  // Only a workload has threads whose turns are scheduled.
  const bool may_be_scheduler = progress.stage == ProgramStage::kRun;
  if (may_be_scheduler && WEXITSTATUS(status) == kDeadlockedStatus) {
    return "its threads wait for each other, for ever: a deadlock";
  }
  if (may_be_scheduler && WEXITSTATUS(status) == kNoTrapsStatus) {
    return "the kernel refuses the seccomp filter that tells when a thread waits; run the test "
           "where filters are allowed";
  }
  return fmt::format("{} ended the process with exit({})", stage, WEXITSTATUS(status));
}

}  // namespace nacre
