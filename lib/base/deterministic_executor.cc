#include <utility>

#include "lib/base/assert.h"
#include "lib/base/thread_annotations.h"
#include "nacre/executor.h"
#include "nacre/random.h"

namespace nacre {

struct DeterministicExecutor::State {
  explicit State(std::uint64_t seed) : random(seed) {}

  Mutex mutex;
  std::vector<Task> queue GUARDED_BY(mutex);
  SeededRandom random GUARDED_BY(mutex);

  Task take_one() EXCLUDES(mutex) {
    MutexLock lock(mutex);
    if (queue.empty()) return nullptr;
    const std::uint64_t choice = uniform_below(random, queue.size());
    std::swap(queue[choice], queue.back());
    Task task = std::move(queue.back());
    queue.pop_back();
    return task;
  }

  bool is_done(const std::function<bool()>& done) EXCLUDES(mutex) {
    MutexLock lock(mutex);
    return done();
  }
};

DeterministicExecutor::DeterministicExecutor(std::uint64_t seed)
    : state_(std::make_unique<State>(seed)) {}

DeterministicExecutor::~DeterministicExecutor() { run_all(); }

void DeterministicExecutor::submit(Task task) {
  MutexLock lock(state_->mutex);
  state_->queue.push_back(std::move(task));
}

void DeterministicExecutor::run_until(const std::function<bool()>& done) {
  while (!state_->is_done(done)) {
    Task task = state_->take_one();
    const bool deadlock = task == nullptr;
    NACRE_ASSERT(!deadlock);
    task();
  }
}

std::size_t DeterministicExecutor::parallelism() const noexcept { return 1; }

std::size_t DeterministicExecutor::run_all() {
  std::size_t ran = 0;
  for (Task task = state_->take_one(); task != nullptr; task = state_->take_one()) {
    task();
    ++ran;
  }
  return ran;
}

}  // namespace nacre
