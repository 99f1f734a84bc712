#pragma once

// What a workload did and where it is crashed, in words.

#include <span>

#include "emulation/explorer/call_site.h"
#include "emulation/explorer/crash_points.h"
#include "nacre/emulation/crash_history.h"
#include "nacre/emulation/crash_report.h"
#include "nacre/emulation/crash_test.h"

namespace nacre {

/// `points` stands before the first crash point of `trace`, and past the last one afterwards.
CrashTimeline describe_timeline(const Trace& trace, std::span<const CrashOperation> operations,
                                CrashPoints& points, CallSites& sites);

/// Runs the workload once more, to describe it: in a child, unless `options.in_process`. Empty when
/// the child dies.
CrashTimeline record_timeline(const CrashProgram& program, const CrashTestOptions& options,
                              const ThreadScheduleOptions& schedule);

}  // namespace nacre
