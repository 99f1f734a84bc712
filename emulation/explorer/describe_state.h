#pragma once

// Words for the parts of a crash.

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "emulation/explorer/call_site.h"
#include "emulation/explorer/choice_path.h"
#include "emulation/explorer/crash_points.h"
#include "emulation/simulation/granule.h"
#include "emulation/simulation/persistence_model.h"
#include "emulation/simulation/trace.h"
#include "nacre/emulation/crash_history.h"
#include "nacre/emulation/crash_report.h"

namespace nacre {

/// Such as "before the fence in push 3".
std::string describe_point(const CrashPoint& point, const Trace& trace,
                           std::span<const CrashOperation> operations);

/// What granules are described against.
struct DescribedCrash {
  const Trace& trace;     ///< What was crashed into.
  std::size_t event = 0;  ///< The crash came before it.
  MemoryModel model = MemoryModel::kCacheLine;
  const DefiniteBytes& definite;
  CallSites& sites;
};

/// The event that made the newest write in a candidate; Candidate::kNoEvent when it has none.
std::size_t event_of(const Granule& granule, const Candidate& candidate,
                     const DescribedCrash& crash);

/// `kept_events`: what else the crash has kept of the same trace.
CrashGranule describe_granule(const Granule& granule, const Choice& choice,
                              const DescribedCrash& crash,
                              std::span<const std::size_t> kept_events);

/// What a program calls that kind of event, such as "file write".
std::string_view event_kind_name(EventKind kind) noexcept;

}  // namespace nacre
