#include <pthread.h>

#include <deque>
#include <system_error>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "lib/base/assert.h"
#include "lib/base/block_signals.h"
#include "lib/base/thread_annotations.h"
#include "nacre/executor.h"

namespace nacre {
// A waiter sleeps as long as the workers outside any task suffice for what is queued, because they
// will fetch it. Once they do not, a waiter fetches tasks itself, or a pool whose workers all wait
// for queued tasks would stand still. So waiters are woken whenever a task ends (their condition
// may hold now), and whenever more is queued than free workers will fetch.
struct ThreadPool::State {
  explicit State(std::size_t workers) : free_workers(workers) {}

  Mutex mutex;
  CondVar work;      // A worker without a task waits here.
  CondVar progress;  // A thread in run_until waits here.
  std::deque<Task> queue GUARDED_BY(mutex);
  std::size_t free_workers GUARDED_BY(mutex);
  std::size_t waiters GUARDED_BY(mutex) = 0;
  bool stopping GUARDED_BY(mutex) = false;
  std::vector<std::thread> threads;

  bool needs_help() const REQUIRES(mutex) { return queue.size() > free_workers; }

  void run_front() REQUIRES(mutex) {
    Task task = std::move(queue.front());
    queue.pop_front();
    mutex.unlock();
    task();
    task = nullptr;  // What the task captured dies before anybody hears that it ended.
    mutex.lock();
    if (waiters > 0) progress.notify_all();
  }

  void work_until_stopped() EXCLUDES(mutex) {
    MutexLock lock(mutex);
    for (;;) {
      if (!queue.empty()) {
        --free_workers;
        run_front();
        ++free_workers;
      } else if (stopping) {
        return;
      } else {
        work.wait(mutex);
      }
    }
  }

  void stop() EXCLUDES(mutex) {
    {
      MutexLock lock(mutex);
      stopping = true;
      work.notify_all();
    }
    for (std::thread& thread : threads) thread.join();
    threads.clear();
  }
};

ThreadPool::ThreadPool(std::unique_ptr<State> state) : state_(std::move(state)) {}

Result<std::unique_ptr<ThreadPool>> ThreadPool::create(std::size_t threads) {
  NACRE_ASSERT(threads >= 1);
  std::unique_ptr<ThreadPool> pool(new ThreadPool(std::make_unique<State>(threads)));
  State& state = *pool->state_;
  state.threads.reserve(threads);
  const SignalsBlocked blocked;
  for (std::size_t i = 0; i < threads; ++i) {
    try {
      state.threads.emplace_back([&state] { state.work_until_stopped(); });
    } catch (const std::system_error& failure) {
      // The destructor of `pool` joins the threads that did start.
      return Error(ErrorCode::kIo,
                   fmt::format("cannot start thread {} of {}; raise the limit of processes "
                               "(ulimit -u) or ask for fewer threads",
                               i + 1, threads))
          .with_errno(failure.code().value());
    }
    // Shows in top and in debuggers; the kernel keeps 15 characters.
    const std::string name = fmt::format("nacre-{}", i);
    pthread_setname_np(state.threads.back().native_handle(), name.c_str());
  }
  return pool;
}

ThreadPool::~ThreadPool() { state_->stop(); }

void ThreadPool::submit(Task task) {
  MutexLock lock(state_->mutex);
  state_->queue.push_back(std::move(task));
  state_->work.notify_one();
  // Only a submit can make help necessary: a worker that takes a task is one task and one free
  // worker less, and a waiter that takes one is one task less.
  if (state_->waiters > 0 && state_->needs_help()) state_->progress.notify_all();
}

void ThreadPool::run_until(const std::function<bool()>& done) {
  State& state = *state_;
  MutexLock lock(state.mutex);
  while (!done()) {
    if (state.needs_help()) {
      state.run_front();
    } else {
      ++state.waiters;
      state.progress.wait(state.mutex);
      --state.waiters;
    }
  }
}

std::size_t ThreadPool::parallelism() const noexcept { return state_->threads.size(); }

}  // namespace nacre
