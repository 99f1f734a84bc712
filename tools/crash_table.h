#pragma once

// What `nacre crashtest` tells.

#include <span>
#include <string>

#include "nacre/emulation/crash_report.h"
#include "tools/crash_selection.h"

namespace nacre::tools {

struct CrashResult {
  CrashJob job;
  CrashReport report;
};

/// A row for each result; below it, in full, what did not pass.
std::string crash_results_text(std::span<const CrashResult> results);

/// One object: whether all passed, and each result with its whole report.
std::string crash_results_json(std::span<const CrashResult> results);

/// Every suite and every model there is.
std::string crash_suites_text();

}  // namespace nacre::tools
