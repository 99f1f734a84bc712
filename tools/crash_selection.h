#pragma once

// Which crash suites run, under which models.

#include <span>
#include <string>
#include <vector>

#include "nacre/result.h"
#include "tools/crash_suites/crash_suite.h"

namespace nacre::tools {

/// One suite under one model.
struct CrashJob {
  CrashSuite suite;
  SuiteModel model;
};

/// The suites of these names in the order of the registry, or all where there are none, under the
/// model of that name, or under all where it is empty. Suites that do not run under a model are
/// left out. Errors: `invalid_argument` (a name that is not known; tells those that are; or nothing
/// is left).
Result<std::vector<CrashJob>> select_crash_jobs(std::span<const std::string> suites,
                                                const std::string& model);

/// Where the page of `job` goes: `path` where it is the only one, else with the names of suite and
/// model in front of the extension.
std::string report_path(const std::string& path, const CrashJob& job, bool is_only_one);

}  // namespace nacre::tools
