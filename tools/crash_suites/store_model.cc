#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

#include "lib/base/try.h"
#include "nacre/emulation/model_crash_test.h"
#include "tools/crash_suites/store_workload.h"
#include "tools/crash_suites/structure_suites.h"
#include "tools/crash_suites/wal_workload.h"
#include "tools/crash_suites/workload.h"

namespace nacre::tools {
namespace {

using Kind = StoreStep::Kind;

constexpr std::uint64_t kMostStates = 300'000;

/// What changes something more often than the rest.
constexpr std::array kKinds = {
    Kind::kPut,         Kind::kPut,     Kind::kRemove,   Kind::kOperand,     Kind::kOperands,
    Kind::kRemoveRange, Kind::kBatch,   Kind::kBatch,    Kind::kTransaction, Kind::kConflict,
    Kind::kGet,         Kind::kIterate, Kind::kSnapshot, Kind::kFlush,       Kind::kFlush,
    Kind::kMerge,       Kind::kLoad};

StoreStep random_step(RandomSource& random) {
  StoreStep step{.kind = kKinds[uniform_below(random, kKinds.size())]};
  const std::uint64_t first = uniform_below(random, 3);
  step.keys = {std::string(1, static_cast<char>('a' + first))};
  // In order, as a range has to be.
  const std::uint64_t second = first + 1 + uniform_below(random, 2);
  if (step.kind == Kind::kRemoveRange || step.kind == Kind::kBatch ||
      step.kind == Kind::kTransaction || step.kind == Kind::kConflict || step.kind == Kind::kLoad) {
    step.keys.emplace_back(1, static_cast<char>('a' + second));
  }
  step.value = std::to_string(uniform_below(random, 10));
  return step;
}

std::vector<StoreStep> simpler(const StoreStep& step) {
  std::vector<StoreStep> all;
  const auto add = [&](Kind kind) {
    all.push_back({.kind = kind, .keys = {step.keys.front()}, .value = step.value});
  };
  if (step.kind == Kind::kBatch && step.keys.size() > 1) add(Kind::kBatch);
  if (step.kind == Kind::kOperands) add(Kind::kOperand);
  if (step.kind == Kind::kIterate || step.kind == Kind::kRemoveRange) add(Kind::kRemove);
  if (step.kind == Kind::kBatch || step.kind == Kind::kTransaction ||
      step.kind == Kind::kConflict || step.kind == Kind::kSnapshot || step.kind == Kind::kLoad) {
    add(Kind::kPut);
  }
  return all;
}

}  // namespace

CrashReport explore_store_model(const SuiteModel& model, CrashTestOptions options) {
  options.max_states = std::min(options.max_states, kMostStates);
  const StoreStep create{.kind = Kind::kCreate};
  StoreContents initial;
  initial.apply(create);
  return ModelCrashTest<Store, StoreContents, StoreStep>(
             {.crash = suite_options(model, std::move(options)),
              .sequences = 6,
              .operations = 8,
              .crashes_percent = 20},
             initial)
      .setup([&](SimulatedMachine& machine) {
        Store store = require(open_suite_store(machine, model));
        require(take(store, create));
      })
      .open([&](SimulatedMachine& machine) { return open_suite_store(machine, model); })
      .generate(random_step)
      .execute([](Store& store, const StoreStep& step) { return take(store, step); })
      .read([](Store& store) { return contents_of(store); })
      .shrink(simpler)
      .explore();
}

}  // namespace nacre::tools
