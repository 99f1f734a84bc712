#pragma once

// A crash test of a log of one lane, as a list of calls on it.

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "nacre/emulation/crash_test.h"
#include "tools/crash_suites/crash_suite.h"

namespace nacre::tools {

/// One call on the log.
struct WalStep {
  enum class Kind : std::uint8_t {
    kAppend,
    kSubmit,  ///< Appends, and waits only for the last of them.
    kClaim,   ///< One record that is built in place.
    kTruncate,
    kReopen,
  };

  Kind kind = Kind::kAppend;
  std::size_t records = 1;  ///< Of an append: in one batch. Of a submission: one after the other.
  std::size_t bytes = 8;    ///< Of each.

  std::string name() const;
};

struct WalScript {
  bool creates = false;             ///< The log is made in the run.
  std::vector<WalStep> setup = {};  ///< Durable before.
  std::vector<WalStep> run = {};
  /// Recovery appends a record, unless that of an earlier one is the newest: what it finds, and
  /// what it lets others find, must then be as durable as what was acknowledged to it.
  bool goes_on = false;
  std::string goes_on_with = "recovery went on";
  /// It says what it has found before it goes on: what it has not found, a record that the crash
  /// tore, must stay away from then on.
  bool answers_first = false;
};

/// Recovery opens the log and reads it. What it finds has to be the records of the script in their
/// order, with nothing missing between them: from one that truncation may have left as the first,
/// to the end of a call that had begun and none that was acknowledged lies behind. Then the log
/// takes one more record.
CrashReport explore_wal_script(const WalScript& script, const SuiteModel& model,
                               CrashTestOptions options);

}  // namespace nacre::tools
