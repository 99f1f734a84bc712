#include <atomic>
#include <utility>

#include "nacre/executor.h"

namespace nacre {

// Shared with the queued tasks, so that the last task may still touch it when the waiter, having
// seen zero, has already gone.
struct TaskGroup::State {
  std::atomic<std::size_t> pending{0};
};

TaskGroup::TaskGroup(Executor& executor) : executor_(executor), state_(std::make_shared<State>()) {}

TaskGroup::~TaskGroup() { wait(); }

void TaskGroup::run(Task task) {
  // Relaxed: the executor's own lock orders it before the task.
  state_->pending.fetch_add(1, std::memory_order_relaxed);
  executor_.submit([state = state_, task = std::move(task)]() mutable {
    task();
    task = nullptr;  // What the task captured dies before the group counts it as ended.
    // Pairs with the acquire in wait(): who sees zero sees what the tasks did.
    state->pending.fetch_sub(1, std::memory_order_release);
  });
}

void TaskGroup::wait() {
  executor_.run_until(
      [&state = *state_] { return state.pending.load(std::memory_order_acquire) == 0; });
}

}  // namespace nacre
