#pragma once

// Crash tests of a store, each a list of calls: what it holds after a crash is what it held after
// the calls that had returned, or the one under way behind them.

#include <vector>

#include "nacre/emulation/crash_report.h"
#include "nacre/emulation/crash_test.h"
#include "tools/crash_suites/crash_suite.h"
#include "tools/crash_suites/store_contents.h"

namespace nacre::tools {

struct StoreScript {
  std::vector<StoreStep> setup = {};
  std::vector<StoreStep> run = {};
  bool creates = false;  ///< The store is made in the run.
};

/// Recovery comes when all the time of the script has passed.
CrashReport explore_store_script(const StoreScript& script, const SuiteModel& model,
                                 CrashTestOptions options);

}  // namespace nacre::tools
