#include "emulation/explorer/model_sequences.h"

#include <algorithm>
#include <utility>

#include "lib/base/assert.h"

namespace nacre {
namespace {

using Kind = ModelStep::Kind;

class Shrinker {
 public:
  Shrinker(ModelSteps steps, const ModelCrashProgram& program, std::size_t max_runs,
           const std::function<bool(const ModelSteps&)>& fails)
      : steps_(std::move(steps)), program_(program), runs_left_(max_runs), fails_(fails) {}

  ModelSteps run() {
    bool changed = true;
    while (changed && runs_left_ > 0) {
      changed = remove_steps();
      if (program_.shrink) changed |= simplify_operations();
    }
    return std::move(steps_);
  }

 private:
  bool take_if_it_fails(ModelSteps tried) {
    if (runs_left_ == 0) return false;
    --runs_left_;
    if (!fails_(tried)) return false;
    steps_ = std::move(tried);
    return true;
  }

  bool remove_steps() {
    bool changed = false;
    for (std::size_t count = steps_.size() / 2; count > 0; count /= 2) {
      // From the end on: most often it fails of what came last, and needs little of the rest.
      for (std::size_t end = steps_.size(); end >= count; end = std::min(end - 1, steps_.size())) {
        ModelSteps fewer = steps_;
        const auto last = fewer.begin() + static_cast<std::ptrdiff_t>(end);
        fewer.erase(last - static_cast<std::ptrdiff_t>(count), last);
        changed |= take_if_it_fails(std::move(fewer));
        if (runs_left_ == 0) return changed;
      }
    }
    return changed;
  }

  bool simplify_operations() {
    bool changed = false;
    for (std::size_t i = 0; i < steps_.size(); ++i) {
      if (steps_[i].kind != Kind::kOperation) continue;
      for (ModelStep::Operation& simpler : program_.shrink(steps_[i].operation)) {
        ModelSteps tried = steps_;
        tried[i].operation = std::move(simpler);
        if (!take_if_it_fails(std::move(tried))) continue;
        changed = true;
        break;
      }
    }
    return changed;
  }

  ModelSteps steps_;
  const ModelCrashProgram& program_;
  std::size_t runs_left_;
  const std::function<bool(const ModelSteps&)>& fails_;
};

}  // namespace

ModelSteps make_steps(const ModelCrashProgram& program, const ModelCrashTestOptions& options,
                      std::uint64_t seed) {
  SeededRandom random(seed);
  ModelSteps steps;
  for (std::size_t i = 0; i < options.operations; ++i) {
    steps.push_back({.kind = Kind::kOperation, .operation = program.generate(random)});
    const std::uint64_t drawn = uniform_below(random, 100);
    if (drawn < options.crashes_percent) {
      steps.push_back({.kind = Kind::kCrash, .seed = random.next_u64()});
    } else if (drawn < options.crashes_percent + options.reopens_percent) {
      steps.push_back({.kind = Kind::kReopen});
    }
  }
  return steps;
}

ModelSteps shrink_steps(ModelSteps steps, const ModelCrashProgram& program, std::size_t max_runs,
                        const std::function<bool(const ModelSteps&)>& fails) {
  return Shrinker(std::move(steps), program, max_runs, fails).run();
}

}  // namespace nacre
