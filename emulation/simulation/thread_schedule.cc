#include "emulation/simulation/thread_schedule.h"

#include <algorithm>
#include <utility>

#include "lib/base/assert.h"
#include "nacre/random.h"

namespace nacre {

ThreadSchedule::ThreadSchedule(const ThreadScheduleOptions& options) : seed_(options.seed) {
  if (options.steps == 0) return;
  SeededRandom random(options.seed);
  for (std::size_t i = 0; i < options.preemptions; ++i) {
    changes_.push_back(1 + uniform_below(random, options.steps));
  }
  std::ranges::sort(changes_);
}

void ThreadSchedule::begin(std::size_t count) {
  NACRE_ASSERT(count <= kMaxThreads);
  // Other numbers for threads that begin later in the same run.
  SeededRandom random(seed_ + 0x9e3779b97f4a7c15 * (steps_ + 1));
  lowest_ = 0;
  for (std::size_t i = 0; i < count; ++i) {
    priorities_[i] = static_cast<std::int64_t>(i) + 1;
    std::swap(priorities_[i], priorities_[uniform_below(random, i + 1)]);
  }
}

void ThreadSchedule::step(std::size_t running) {
  ++steps_;
  if (std::ranges::binary_search(changes_, steps_)) put_last(running);
}

void ThreadSchedule::put_last(std::size_t thread) noexcept { priorities_[thread] = lowest_--; }

std::size_t ThreadSchedule::next(ThreadSet ready) const noexcept {
  std::size_t best = kMaxThreads;
  for (std::size_t i = 0; i < kMaxThreads; ++i) {
    if ((ready >> i & 1) == 0) continue;
    if (best == kMaxThreads || priorities_[i] > priorities_[best]) best = i;
  }
  return best;
}

}  // namespace nacre
