#include "nacre/emulation/crash_history.h"

#include <algorithm>
#include <utility>

#include "emulation/simulation/machine.h"
#include "emulation/simulation/turn_scheduler.h"
#include "lib/base/assert.h"

namespace nacre {

std::size_t CrashHistory::begun_count() const noexcept {
  return static_cast<std::size_t>(std::ranges::count_if(
      operations_, [&](const CrashOperation& operation) { return operation.begun <= now_; }));
}

std::size_t CrashHistory::completed_count() const noexcept {
  return static_cast<std::size_t>(
      std::ranges::count_if(operations_, [&](const CrashOperation& operation) {
        return operation.ended != 0 && operation.ended <= now_;
      }));
}

bool CrashHistory::precedes(std::size_t first, std::size_t second) const noexcept {
  if (first >= operations_.size() || second >= operations_.size()) return false;
  const std::size_t ended = operations_[first].ended;
  return ended != 0 && ended < operations_[second].begun;
}

std::size_t CrashRun::begin(std::string name) {
  const SchedulingPoints points;
  const std::size_t operation = operations_.size();
  operations_.push_back(
      {.name = std::move(name), .thread = machine_.thread(), .begun = ++marks_, .ended = 0});
  machine_.add({.kind = EventKind::kBeginOperation, .value = operation});
  return operation;
}

void CrashRun::end(std::size_t operation) {
  const SchedulingPoints points;
  NACRE_ASSERT(operation < operations_.size() && operations_[operation].ended == 0);
  operations_[operation].ended = ++marks_;
  machine_.add({.kind = EventKind::kEndOperation, .value = operation});
}

void CrashRun::promise_durable(std::size_t count) {
  const SchedulingPoints points;
  NACRE_ASSERT(count <= operations_.size());
  promised_ = std::max(promised_, count);
  machine_.add({.kind = EventKind::kPromiseDurable, .value = promised_});
}

void CrashRun::threads(const std::vector<std::function<void()>>& bodies) {
  NACRE_ASSERT(bodies.size() <= kMaxThreads);
  machine_.run_threads(bodies);
}

}  // namespace nacre
