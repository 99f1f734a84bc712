#pragma once

// The seam behind which nacre's background work runs: threads in production, a seeded
// deterministic scheduler in simulation, so that a whole engine replays from one seed.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "nacre/result.h"

namespace nacre {

using Task = std::move_only_function<void()>;

/// Thread safety: every member may be called from any thread, also from inside a task.
class Executor {
 public:
  /// Runs what is still queued, then returns.
  virtual ~Executor() = default;

  /// Queues `task`. It runs once, later, in no promised order, and must not throw. A task that
  /// waits for another one waits through `run_until`.
  virtual void submit(Task task) = 0;

  /// Returns when `done()` is true. A scheduler without threads runs queued tasks meanwhile; a
  /// thread pool sleeps, and runs queued tasks itself when every worker is taken. `done` is called
  /// under an internal lock after each finished task: it must be quick and must not call back.
  virtual void run_until(const std::function<bool()>& done) = 0;

  /// How many tasks can make progress at once, at least 1.
  virtual std::size_t parallelism() const noexcept = 0;

  /// False where all tasks run on the thread that drives, so that a run can be repeated: whoever
  /// is given such an executor starts no thread of its own either.
  virtual bool has_threads() const noexcept { return true; }
};

/// A bounded number of threads over one queue.
class ThreadPool final : public Executor {
 public:
  /// `threads` is at least 1.
  /// Errors: `io` when a thread cannot be started.
  static Result<std::unique_ptr<ThreadPool>> create(std::size_t threads);
  ~ThreadPool() override;
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  void submit(Task task) override;
  void run_until(const std::function<bool()>& done) override;
  std::size_t parallelism() const noexcept override;

 private:
  struct State;
  explicit ThreadPool(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// No threads: tasks run inside `run_until` and `run_all`, picked at random from a seed, so that
/// the same seed gives the same interleaving. For one driving thread.
class DeterministicExecutor final : public Executor {
 public:
  explicit DeterministicExecutor(std::uint64_t seed);
  ~DeterministicExecutor() override;
  DeterministicExecutor(const DeterministicExecutor&) = delete;
  DeterministicExecutor& operator=(const DeterministicExecutor&) = delete;

  void submit(Task task) override;
  /// Asserts when nothing is queued and `done()` is still false: that is a deadlock.
  void run_until(const std::function<bool()>& done) override;
  std::size_t parallelism() const noexcept override;
  bool has_threads() const noexcept override { return false; }
  /// Runs until nothing is queued; returns how many tasks ran.
  std::size_t run_all();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// A set of tasks to wait for together. Destruction waits.
class TaskGroup {
 public:
  explicit TaskGroup(Executor& executor);
  ~TaskGroup();
  TaskGroup(const TaskGroup&) = delete;
  TaskGroup& operator=(const TaskGroup&) = delete;

  void run(Task task);
  void wait();

 private:
  struct State;
  Executor& executor_;
  std::shared_ptr<State> state_;
};

}  // namespace nacre
