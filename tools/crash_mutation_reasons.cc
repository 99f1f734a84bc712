// What may be taken out of nacre, or moved, without a crash that shows it, and why it is there all
// the same. A place that a suite misses has no reason here: `nacre crashtest --mutate` says so.

#include <array>

#include "tools/crash_mutation.h"

namespace nacre::tools {
namespace {

/// A name has to be durable before something that stands behind it is acknowledged, or before a
/// header counts that speaks of it. The step that comes next is a store, or a change of another
/// name, which counts for nobody before a fence or sync of its own; one step late is in time.
constexpr std::string_view kInTimeForTheAcknowledgement =
    "the next step is a store that nobody relies on before a fence or sync of its own, and the "
    "name "
    "is durable before that";

}  // namespace

std::span<const SurvivalReason> survival_reasons() {
  static constexpr std::array kReasons = {
      SurvivalReason{.function = "nacre::write_file_atomically",
                     .kind = "directory sync",
                     .mutation = CrashMutation::kMove,
                     .reason = kInTimeForTheAcknowledgement},
      SurvivalReason{.function = "nacre::wal::LaneSet::sync_names",
                     .kind = "directory sync",
                     .mutation = CrashMutation::kMove,
                     .reason = kInTimeForTheAcknowledgement},
      SurvivalReason{.function = "nacre::wal::mend_lane",
                     .kind = "fence",
                     .reason =
                         "the header that is settled behind it has a fence of its own, unless "
                         "it was settled before, as that of a log which the emulated domain had "
                         "written"},
  };
  return kReasons;
}

}  // namespace nacre::tools
