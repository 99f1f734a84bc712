#include "nacre/emulation/fault_plan.h"

#include <array>
#include <atomic>
#include <bit>
#include <deque>
#include <utility>

#include "lib/base/assert.h"
#include "lib/base/thread_annotations.h"
#include "nacre/random.h"

namespace nacre {
namespace {

struct PlannedFault {
  Fault fault;
  std::uint64_t matches = 0;
  std::uint64_t hits = 0;
  bool active = true;
};

bool returns_nothing(FileOperation operation) noexcept {
  switch (operation) {
    case FileOperation::kOpen:
    case FileOperation::kCreate:
    case FileOperation::kRead:
    case FileOperation::kSize:
    case FileOperation::kListDirectory:
    case FileOperation::kStat:
      return false;
    default:
      return true;
  }
}

bool effect_fits(const Fault& fault) noexcept {
  switch (fault.effect) {
    case FaultEffect::kError:
      return fault.sys_errno != 0;
    case FaultEffect::kSkip:
      return returns_nothing(fault.operation);
    case FaultEffect::kTornWrite:
    case FaultEffect::kMisdirectedWrite:
      return fault.operation == FileOperation::kWrite;
    case FaultEffect::kFlippedBit:
      return fault.operation == FileOperation::kRead;
    case FaultEffect::kLostUnsynced:
      return fault.operation == FileOperation::kSync || fault.operation == FileOperation::kSyncData;
    case FaultEffect::kStuck:
    case FaultEffect::kSlow:
      return true;
  }
  return false;
}

bool matches(const Fault& fault, const FileEvent& event) {
  return fault.operation == event.operation &&
         (event.path.native().find(fault.path_contains) != std::string::npos ||
          event.target.native().find(fault.path_contains) != std::string::npos);
}

}  // namespace

struct FaultPlan::State {
  explicit State(std::uint64_t the_seed) : seed(the_seed) {}

  const std::uint64_t seed;
  mutable Mutex mutex;
  std::vector<PlannedFault> faults GUARDED_BY(mutex);
  std::array<std::uint64_t, kFileOperationKinds> counts GUARDED_BY(mutex){};
  std::uint64_t started GUARDED_BY(mutex) = 0;
  // One bit for each effect. Relaxed: a fault strikes what begins after it was added, and whoever
  // adds it and begins orders the two.
  std::atomic<unsigned> effects{0};
  std::deque<FileEvent> trace GUARDED_BY(mutex);
  // Shared, so that a hook that is being called outlives its replacement.
  std::shared_ptr<const std::function<void(const FileEvent&)>> hook GUARDED_BY(mutex);

  // A hash of seed, fault and match rather than the next number of a generator, so that one fault
  // strikes the same operations whatever other faults are planned.
  bool chance_strikes(std::size_t number, const PlannedFault& planned) const {
    if (planned.fault.probability >= 1.0) return true;
    SeededRandom draw(seed ^ std::rotl(planned.matches, 24) ^ (number << 56));
    return static_cast<double>(draw.next_u64() >> 11) * 0x1.0p-53 < planned.fault.probability;
  }

  std::optional<Fault> strike(const FileEvent& event) REQUIRES(mutex) {
    std::optional<Fault> struck;
    for (std::size_t number = 0; number < faults.size(); ++number) {
      PlannedFault& planned = faults[number];
      const Fault& fault = planned.fault;
      if (!planned.active || !matches(fault, event)) continue;
      ++planned.matches;
      const bool due = planned.matches >= fault.nth && planned.matches - fault.nth < fault.times;
      if (struck || !due || !chance_strikes(number, planned)) continue;
      ++planned.hits;
      struck = fault;
    }
    return struck;
  }
};

std::string_view file_operation_name(FileOperation operation) noexcept {
  constexpr std::array<std::string_view, kFileOperationKinds> kNames = {"open",
                                                                        "create",
                                                                        "read",
                                                                        "write",
                                                                        "preallocate",
                                                                        "resize",
                                                                        "sync_data",
                                                                        "sync",
                                                                        "size",
                                                                        "lock",
                                                                        "rename",
                                                                        "remove",
                                                                        "create_directory",
                                                                        "list_directory",
                                                                        "stat",
                                                                        "sync_directory"};
  return kNames[static_cast<std::size_t>(operation)];
}

FaultPlan::FaultPlan(std::uint64_t seed) : state_(std::make_unique<State>(seed)) {}
FaultPlan::~FaultPlan() = default;

std::uint64_t FaultPlan::seed() const noexcept { return state_->seed; }

std::size_t FaultPlan::add(Fault fault) {
  NACRE_ASSERT(effect_fits(fault));
  NACRE_ASSERT(fault.nth >= 1);
  state_->effects.fetch_or(1U << static_cast<unsigned>(fault.effect), std::memory_order_relaxed);
  MutexLock lock(state_->mutex);
  state_->faults.push_back(PlannedFault{.fault = std::move(fault)});
  return state_->faults.size() - 1;
}

std::uint64_t FaultPlan::hits(std::size_t number) const {
  MutexLock lock(state_->mutex);
  NACRE_ASSERT(number < state_->faults.size());
  return state_->faults[number].hits;
}

void FaultPlan::clear() {
  MutexLock lock(state_->mutex);
  for (PlannedFault& planned : state_->faults) planned.active = false;
}

bool FaultPlan::plans(FaultEffect effect) const noexcept {
  const unsigned effects = state_->effects.load(std::memory_order_relaxed);
  return (effects >> static_cast<unsigned>(effect) & 1U) != 0;
}

void FaultPlan::before_each(std::function<void(const FileEvent&)> hook) {
  auto shared = std::make_shared<const std::function<void(const FileEvent&)>>(std::move(hook));
  MutexLock lock(state_->mutex);
  state_->hook = std::move(shared);
}

std::uint64_t FaultPlan::count(FileOperation operation) const {
  MutexLock lock(state_->mutex);
  return state_->counts[static_cast<std::size_t>(operation)];
}

std::vector<FileEvent> FaultPlan::trace() const {
  MutexLock lock(state_->mutex);
  return {state_->trace.begin(), state_->trace.end()};
}

void FaultPlan::clear_trace() {
  MutexLock lock(state_->mutex);
  state_->trace.clear();
}

std::optional<Fault> FaultPlan::begin(FileEvent& event) {
  std::optional<Fault> fault;
  std::shared_ptr<const std::function<void(const FileEvent&)>> hook;
  {
    MutexLock lock(state_->mutex);
    event.started = ++state_->started;
    ++state_->counts[static_cast<std::size_t>(event.operation)];
    fault = event.fault = state_->strike(event);
    hook = state_->hook;
  }
  if (hook && *hook) (*hook)(event);
  return fault;
}

void FaultPlan::end(FileEvent event) {
  MutexLock lock(state_->mutex);
  if (state_->trace.size() == kMaxTraceEvents) state_->trace.pop_front();
  state_->trace.push_back(std::move(event));
}

}  // namespace nacre
