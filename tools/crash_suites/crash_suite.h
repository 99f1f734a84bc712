#pragma once

// The crash tests of nacre's own structures that come with the command line tool.
//
// Each suite is a workload over a simulated machine, a recovery, and what a recovery may find. It
// is explored under one model at a time (docs/crash_testing.md).
//
// Thread safety: none; a CrashTest uses one thread.

#include <functional>
#include <string>
#include <vector>

#include "nacre/emulation/crash_model.h"
#include "nacre/emulation/crash_report.h"
#include "nacre/emulation/crash_test.h"
#include "nacre/environment.h"

namespace nacre::tools {

/// What the structure stands on, and what a crash may leave of it.
struct SuiteModel {
  std::string name;
  std::string meaning;  ///< For a person, on one line.
  bool block = false;   ///< Files through the block domain, rather than mapped memory.
  CrashModel model = {};

  /// Lifetime: until a crash.
  Environment environment(SimulatedMachine& machine) const {
    return block ? machine.block_environment() : machine.environment();
  }
};

struct CrashSuite {
  std::string name;
  std::string covers;  ///< For a person, on one line.
  /// It tries some of very many workloads, so that its verdict is at best BOUNDED.
  bool samples = false;
  /// It is about writes that are under way, which block models alone have.
  bool needs_block = false;
  /// `options` keep their budget, depth and seed; machine and `recover_twice` are the suite's.
  std::function<CrashReport(const SuiteModel& model, CrashTestOptions options)> explore;
};

std::vector<CrashSuite> crash_suites();

std::vector<SuiteModel> suite_models();

/// Every suite runs under every model, but for those that need a block model.
inline bool runs_under(const CrashSuite& suite, const SuiteModel& model) {
  return model.block || !suite.needs_block;
}

}  // namespace nacre::tools
