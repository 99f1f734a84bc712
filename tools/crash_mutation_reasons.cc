// What may be taken out of nacre, or moved, without a crash that shows it, and why it is there all
// the same. A place that a suite misses has no reason here: `nacre crashtest --mutate` says so.

#include <array>

#include "tools/crash_mutation.h"

namespace nacre::tools {
namespace {

/// A name has to be durable before something that stands behind it is acknowledged, or before a
/// header or a manifest counts that speaks of it, and what a file holds before its name is. The
/// step that comes next is a store, or a change of another name, which counts for nobody before a
/// fence or sync of its own; one step late is in time.
constexpr std::string_view kInTime =
    "the next step counts for nobody before a fence or sync of its own, and what is synced here is "
    "durable before that";

}  // namespace

std::span<const SurvivalReason> survival_reasons() {
  static constexpr std::array kReasons = {
      SurvivalReason{.file = "atomic_file.cc",
                     .kind = "directory sync",
                     .mutation = CrashMutation::kMove,
                     .reason = kInTime},
      SurvivalReason{.file = "lane_set.cc",
                     .kind = "directory sync",
                     .mutation = CrashMutation::kMove,
                     .reason = kInTime},
      SurvivalReason{.file = "new_store.cc",
                     .kind = "directory sync",
                     .mutation = CrashMutation::kMove,
                     .reason = kInTime},
      SurvivalReason{.file = "new_store.cc",
                     .kind = "file sync",
                     .mutation = CrashMutation::kMove,
                     .reason = kInTime},
      SurvivalReason{.file = "table_sink.cc",
                     .kind = "file sync",
                     .mutation = CrashMutation::kMove,
                     .reason = kInTime},
      SurvivalReason{.file = "lane_core.cc",
                     .kind = "fence",
                     .number = 3,
                     .mutation = CrashMutation::kMove,
                     .reason = "where fences make anything durable, the operation ends right "
                               "behind that of a claim, which is as far as it can be moved"},
      SurvivalReason{.file = "lane_rotation.cc",
                     .kind = "msync",
                     .number = 1,
                     .reason =
                         "a record that is torn twice, over several pages or sectors, has too "
                         "many states for a suite: `tests/wal/torn_record_crash_test.cc` "
                         "begins with one that is torn, and misses it"},
      SurvivalReason{.file = "recovery.cc",
                     .kind = "fence",
                     .reason =
                         "the header that is settled behind it has a fence of its own, unless "
                         "it was settled before, as that of a log which the emulated domain had "
                         "written"},
  };
  return kReasons;
}

}  // namespace nacre::tools
