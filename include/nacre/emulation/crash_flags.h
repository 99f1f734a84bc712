#pragma once

// What whoever starts a test program asks of its crash tests.
//
//   --crash_repro=STATE   run that state alone, as a failure has named it
//   --crash_seed=N        search with another seed
//   --crash_report=FILE   write the report as a page, or as JSON where FILE ends in .json
//   --crash_in_process    run every state in the process itself, where a debugger sees it
//   --crash_kills         kill the process as well, and cut the power afterwards
//
// Where the command line is not at hand, as under ctest, the environment says the same:
// CRASH_REPRO, CRASH_SEED, CRASH_REPORT, CRASH_IN_PROCESS and CRASH_KILLS. The command line counts
// more.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "nacre/emulation/crash_report.h"
#include "nacre/emulation/crash_test.h"
#include "nacre/result.h"

namespace nacre {

struct CrashFlags {
  std::string reproduce = {};
  std::optional<std::uint64_t> seed = {};
  std::string report = {};
  bool in_process = false;
  bool kills = false;

  /// `options` as these flags change them.
  CrashTestOptions apply(CrashTestOptions options) const;
};

/// Those among `arguments`; all others are left to whom they are for.
/// Errors: `invalid_argument` (a seed that is no number; an empty value).
Result<CrashFlags> parse_crash_flags(std::span<const std::string> arguments);

/// Of this process. Errors: as parse_crash_flags.
Result<CrashFlags> crash_flags();

/// How this process was called, as it says itself; empty where that is not known.
std::string program_name();

/// Writes `report` to `path`, over what is there: JSON where that ends in .json, else a page.
/// Errors: `io`.
Status save_crash_report(const CrashReport& report, const std::string& path);

}  // namespace nacre
