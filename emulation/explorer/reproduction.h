#pragma once

// One state of one workload, as a string a person can pass on.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "emulation/explorer/choice_path.h"
#include "emulation/explorer/crash_points.h"
#include "nacre/result.h"

namespace nacre {

struct Reproduction {
  struct Crash {
    std::uint64_t point = 0;  ///< Its number among those of its kind.
    CrashKind kind = CrashKind::kPowerCut;
    /// Granules that do not keep what the others keep.
    std::map<std::uint32_t, std::uint32_t> chosen;
    ChosenSet::Others others = ChosenSet::Others::kOldest;
  };

  std::uint64_t seed = 0;
  std::uint64_t schedule_steps = 0;  ///< As in ThreadScheduleOptions.
  std::uint64_t trace_hash = 0;      ///< Of the model and the workload.
  std::vector<Crash> crashes;        ///< The workload's, then that of its recovery, and so on.

  /// How many of the crashes are kills of a recovery.
  std::size_t recovery_kills() const;
  /// SEED:HASH:POINT[o|n]GRANULE=CANDIDATE,... with one more part for each further crash, and
  /// SEED/STEPS where threads were interrupted. A process that is killed is POINTk: with granules,
  /// and POINTkn, where a power cut before it has left something that nobody had read by then.
  std::string to_string() const;
  /// Errors: `invalid_argument`.
  static Result<Reproduction> parse(std::string_view text);
};

}  // namespace nacre
