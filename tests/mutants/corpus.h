#pragma once

// The corpus: wrong programs that the explorer has to catch, and correct ones that it has to pass.

#include <functional>
#include <string>
#include <vector>

#include "nacre/emulation/crash_report.h"
#include "nacre/emulation/crash_test.h"

namespace nacre::mutants {

enum class ProgramKind : std::uint8_t { kMutant, kCorrect };

/// "mutant", "correct".
std::string_view kind_name(ProgramKind kind) noexcept;

/// A program under one model.
struct CorpusCase {
  /// "7" of CRASH_MODEL's list, "7 mended" without its bug, "C7" of the programs that have none.
  std::string number;
  std::string name;
  ProgramKind kind = ProgramKind::kCorrect;
  CrashModel model;
  bool has_files = false;  ///< And no region.
  std::function<CrashReport(const CrashTestOptions&)> explore;
  /// What the failure of a mutant has to say, and the crash point it has to name.
  std::string says;
  std::string where;

  /// Letters, digits and underscores.
  std::string identifier() const;
};

/// In the order of the table: the mutants, each before its mended twin, then the others.
std::vector<CorpusCase> all_cases();

CrashReport run_case(const CorpusCase& program);

/// Why `report` is not what is expected: a mutant has to be caught, and for the right reason, and a
/// correct program has to pass with every state tried. Empty when it is.
std::string complaint(const CorpusCase& program, const CrashReport& report);

}  // namespace nacre::mutants
