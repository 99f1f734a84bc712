#pragma once

// How the suites open, read and use a log, and explore it.

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mmap/segment_format.h"
#include "nacre/wal.h"
#include "tools/crash_suites/crash_suite.h"

namespace nacre::tools {

inline Result<Wal> open_suite_wal(SimulatedMachine& machine, const SuiteModel& model,
                                  std::uint32_t lanes) {
  return Wal::open("/log", {.lanes = lanes,
                            .segment_bytes = kMinSegmentBytes,
                            .spare_segments = 0,
                            .environment = model.environment(machine)});
}

using Records = std::vector<std::string>;

Result<Records> records_of(const Wal& wal);
/// Opens the log, and takes what it holds for the answer of a recovery.
Result<Records> read_records(SimulatedMachine& machine, const SuiteModel& model,
                             std::uint32_t lanes);
/// Appends `record` to the last lane of what was recovered, and finds it behind all that was there.
Status append_one_more(SimulatedMachine& machine, const SuiteModel& model, std::uint32_t lanes,
                       std::string_view record);

/// `options` for a log on a machine of `model`.
inline CrashTestOptions suite_options(const SuiteModel& model, CrashTestOptions options) {
  options.machine = {.model = model.model};
  // A log that is opened writes its lock file, and one that is closed its header: a second recovery
  // stores something.
  options.recover_twice = false;
  return options;
}

}  // namespace nacre::tools
