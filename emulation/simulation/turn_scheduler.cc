#include "emulation/simulation/turn_scheduler.h"

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <thread>
#include <vector>

#include "lib/base/assert.h"

namespace nacre {
namespace {

/// How long nobody may be able to go on, while a thread that is not scheduled may still wake one.
constexpr int kMaxIdleMilliseconds = 2000;

[[noreturn]] void give_up(int status, const char* why) noexcept {
  static_cast<void>(std::fputs(why, stderr));
  static_cast<void>(std::fflush(stderr));
  ::_exit(status);
}

const std::uint32_t* word_of(const std::atomic<std::uint32_t>& number) noexcept {
  static_assert(sizeof number == sizeof(std::uint32_t));
  return reinterpret_cast<const std::uint32_t*>(&number);
}

void await_change(const std::atomic<std::uint32_t>& number, std::uint32_t from) noexcept {
  while (number.load(std::memory_order_acquire) == from) wait_while_equal(word_of(number), from);
}

/// Of the program under test, which may be at it. That is no race of the scheduler's making.
__attribute__((no_sanitize("thread", "address"))) std::uint32_t look_at(
    const std::uint32_t* word) noexcept {
  return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

}  // namespace

namespace {

// Of the calling thread, and looked at in signal handlers. Null while it is in the scheduler, where
// it may not have the turn.
__attribute__((tls_model("initial-exec"))) constinit thread_local WaitListener* scheduled = nullptr;

}  // namespace

/// Everything but `turn_` belongs to whoever has the turn.
class TurnScheduler::Thread final : public WaitListener {
 public:
  void start(TurnScheduler& scheduler, std::size_t thread_index) {
    scheduler_ = &scheduler;
    index = thread_index;
  }

  long on_wait(const TrappedWait& asked) noexcept override {
    // A lock of what the scheduler itself stands on, such as a sanitizer's: it is short.
    if (scheduled != this) return asked.word == nullptr ? 0 : -EAGAIN;
    if (asked.word != nullptr && look_at(asked.word) != asked.expected) return -EAGAIN;
    scheduled = nullptr;
    const long result = asked.word == nullptr ? give_way() : wait_for(asked);
    scheduled = this;
    return result;
  }

  void at_scheduling_point() noexcept {
    scheduled = nullptr;
    scheduler_->schedule_.step(index);
    scheduler_->pass_turn(*this, *scheduler_->choose());
    scheduled = this;
  }

  void take_turn() noexcept {
    await_change(turn_, 0);
    turn_.store(0, std::memory_order_relaxed);
  }
  /// Pairs with `take_turn`: what was done in one turn is seen in the next.
  void give_turn() noexcept {
    turn_.store(1, std::memory_order_release);
    wake_waiters(word_of(turn_));
  }

  bool is_ready() const noexcept {
    return state == State::kReady ||
           (state == State::kWaiting && look_at(wait_.word) != wait_.expected);
  }
  bool waits_with_timeout() const noexcept { return state == State::kWaiting && wait_.has_timeout; }

  std::size_t index = 0;
  State state = State::kReady;

 private:
  long give_way() noexcept {
    scheduler_->schedule_.put_last(index);
    scheduler_->pass_turn(*this, *scheduler_->choose());
    return 0;
  }
  long wait_for(const TrappedWait& asked) noexcept {
    wait_ = asked;
    state = State::kWaiting;
    scheduler_->pass_turn(*this, *scheduler_->choose());
    state = State::kReady;
    return asked.has_timeout && look_at(asked.word) == asked.expected ? -ETIMEDOUT : 0;
  }

  TurnScheduler* scheduler_ = nullptr;
  TrappedWait wait_;
  std::atomic<std::uint32_t> turn_ = 0;
};

void scheduling_point() noexcept {
  if (scheduled == nullptr) return;
  const int saved_errno = errno;
  static_cast<TurnScheduler::Thread*>(scheduled)->at_scheduling_point();
  errno = saved_errno;
}

void TurnScheduler::run(std::span<const std::function<void()>> bodies) {
  NACRE_ASSERT(bodies.size() <= ThreadSchedule::kMaxThreads && scheduled == nullptr);
  if (bodies.empty()) return;
  std::vector<Thread> threads(bodies.size());
  threads_ = threads.data();
  count_ = threads.size();
  std::vector<std::thread> running;
  for (std::size_t i = 0; i < bodies.size(); ++i) {
    threads[i].start(*this, i);
    running.emplace_back([this, &body = bodies[i], &thread = threads[i]] {
      if (!trap_waits(thread)) refused_.store(true, std::memory_order_relaxed);
      parked_.fetch_add(1, std::memory_order_release);  // Pairs with the load below.
      thread.take_turn();
      scheduled = &thread;
      body();
      scheduled = nullptr;
      end(thread);
    });
  }
  // A thread that starts takes locks of the C library: none runs before all have started.
  while (parked_.load(std::memory_order_acquire) != bodies.size()) sleep_one_millisecond();
  if (refused_.load(std::memory_order_relaxed)) {
    give_up(kNoTrapsStatus,
            "CrashRun::threads: the kernel refuses a seccomp filter, without which it cannot be "
            "seen that a thread waits; run the test where filters are allowed\n");
  }
  schedule_.begin(bodies.size());
  choose()->give_turn();
  for (std::thread& thread : running) thread.join();
}

template <class IsOne>
ThreadSet TurnScheduler::those(IsOne is_one) const noexcept {
  ThreadSet set = 0;
  for (std::size_t i = 0; i < count_; ++i) {
    if (is_one(threads_[i])) set |= ThreadSet{1} << i;
  }
  return set;
}

TurnScheduler::Thread* TurnScheduler::choose() noexcept {
  const auto has_not_ended = [](const Thread& thread) { return thread.state != State::kEnded; };
  for (int idle = 0; idle < kMaxIdleMilliseconds; ++idle) {
    ThreadSet set = those([](const Thread& thread) { return thread.is_ready(); });
    if (set == 0) set = those([](const Thread& thread) { return thread.waits_with_timeout(); });
    if (set != 0) return &threads_[schedule_.next(set)];
    if (those(has_not_ended) == 0) return nullptr;
    sleep_one_millisecond();
  }
  give_up(
      kDeadlockedStatus,
      "CrashRun::threads: every thread waits for another one: a deadlock of the workload, under "
      "this schedule\n");
}

void TurnScheduler::pass_turn(Thread& from, Thread& to) noexcept {
  if (&from == &to) return;
  to.give_turn();
  from.take_turn();
}

void TurnScheduler::end(Thread& thread) noexcept {
  thread.state = State::kEnded;
  if (Thread* const next = choose()) {
    next->give_turn();
    // A thread that ends takes locks of the C library: none does before all have run.
    await_change(all_ended_, 0);
    return;
  }
  all_ended_.store(1, std::memory_order_release);  // Pairs with await_change.
  wake_waiters(word_of(all_ended_));
}

}  // namespace nacre
