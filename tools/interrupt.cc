#include "tools/interrupt.h"

#include <poll.h>

#include <atomic>
#include <csignal>
#include <ctime>

namespace nacre::tools {
namespace {

// A signal handler has no argument of ours to work on, so the flag has to be global.
std::atomic<bool> stop_flag = false;
static_assert(std::atomic<bool>::is_always_lock_free);

void on_stop_signal(int) { stop_flag.store(true, std::memory_order_relaxed); }

}  // namespace

void stop_on_signals() noexcept {
  struct sigaction action{};
  action.sa_handler = on_stop_signal;
  // No SA_RESTART: a read that waits has to return. SA_RESETHAND: the second signal kills.
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  ::sigemptyset(&action.sa_mask);
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
}

bool stop_requested() noexcept { return stop_flag.load(std::memory_order_relaxed); }

bool sleep_unless_stopped(std::uint32_t duration_ms, int descriptor) noexcept {
  // The signals stay blocked between the look at the flag and the sleep, so that one which comes
  // in between still ends the sleep.
  sigset_t stop_signals;
  sigset_t before;
  ::sigemptyset(&stop_signals);
  ::sigaddset(&stop_signals, SIGINT);
  ::sigaddset(&stop_signals, SIGTERM);
  ::pthread_sigmask(SIG_BLOCK, &stop_signals, &before);
  bool undisturbed = !stop_requested();
  if (undisturbed) {
    const timespec duration{.tv_sec = duration_ms / 1000,
                            .tv_nsec = static_cast<long>(duration_ms % 1000) * 1'000'000};
    pollfd watched{.fd = descriptor, .events = 0, .revents = 0};
    undisturbed = ::ppoll(&watched, 1, &duration, &before) == 0;
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return undisturbed && !stop_requested();
}

}  // namespace nacre::tools
