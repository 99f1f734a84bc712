#pragma once

// Sequences of operations: made from a seed, explored between their crashes, made smaller.
//
// Thread safety: none.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "nacre/emulation/model_crash_test.h"

namespace nacre {

using ModelSteps = ModelCrashProgram::Steps;

ModelSteps make_steps(const ModelCrashProgram& program, const ModelCrashTestOptions& options,
                      std::uint64_t seed);

/// The fewest of `steps` that were found to fail, by removing ever smaller runs of them, and then
/// with operations that are as simple as they were found to be. `fails` is asked at most
/// `max_runs` times, and fails for `steps`.
ModelSteps shrink_steps(ModelSteps steps, const ModelCrashProgram& program, std::size_t max_runs,
                        const std::function<bool(const ModelSteps&)>& fails);

}  // namespace nacre
