#include "tests/mutants/corpus_table.h"

#include <fmt/format.h>

#include <algorithm>

namespace nacre::mutants {
namespace {

/// The part of the model that decides about the program.
std::string short_model(const CorpusCase& program) {
  if (program.has_files) {
    return program.model.names == NameModel::kPosixMinimum ? "posix_minimum" : "ordered_journal";
  }
  const std::string name = program.model.name();
  return name.substr(0, name.find(',')) + (program.model.strict ? ", strict" : "");
}

std::string_view expected(const CorpusCase& program) {
  return program.kind == ProgramKind::kMutant ? "caught" : "passed";
}

std::string verdict(const CorpusRow& row) {
  switch (row.report.verdict) {
    case CrashVerdict::kFailed:
      if (row.program.kind == ProgramKind::kCorrect) return "FLAGGED";
      return row.complaint.empty() ? "caught" : "CAUGHT WRONGLY";
    case CrashVerdict::kInconclusive:
      return "NOT TESTED";
    default:
      return row.program.kind == ProgramKind::kMutant ? "MISSED" : "passed";
  }
}

/// A search that finds something has no need to go on.
std::string extent(const CrashReport& report) {
  switch (report.verdict) {
    case CrashVerdict::kExhaustive:
      return "exhaustive";
    case CrashVerdict::kFailed:
      return "to the first failure";
    default:
      if (!report.tried_each_state) return "bounded";
      return fmt::format("exhaustive in each of {} schedules", report.different_schedules);
  }
}

std::uint64_t all_states(const CrashReport& report) { return report.states + report.nested_states; }

}  // namespace

std::string terminal_header() {
  return fmt::format("{:<10} {:<64} {:<20} {:<8} {:<8} {:<20} {:>6} {:>8} {:>7}", "number", "name",
                     "model", "expected", "verdict", "search", "points", "states", "seconds");
}

std::string terminal_line(const CorpusRow& row) {
  return fmt::format("{:<10} {:<64} {:<20} {:<8} {:<8} {:<20} {:>6} {:>8} {:>7.4f}",
                     row.program.number, row.program.name, short_model(row.program),
                     expected(row.program), verdict(row), extent(row.report),
                     row.report.crash_points, all_states(row.report), row.report.seconds);
}

std::string summary(const std::vector<CorpusRow>& rows) {
  const auto count = [&](ProgramKind kind, bool only_right) {
    return std::ranges::count_if(rows, [&](const CorpusRow& row) {
      return row.program.kind == kind && (!only_right || row.complaint.empty());
    });
  };
  return fmt::format("{} of {} mutants caught, {} of {} correct programs passed",
                     count(ProgramKind::kMutant, true), count(ProgramKind::kMutant, false),
                     count(ProgramKind::kCorrect, true), count(ProgramKind::kCorrect, false));
}

std::string markdown_page(const std::vector<CorpusRow>& rows) {
  std::string page = fmt::format(
      "# The crash explorer against its mutants\n\n"
      "Small programs that are wrong in a known way, and programs that are right though testers\n"
      "complain of their like, from `tests/mutants/`; each file says what the bug is and where it\n"
      "has been seen. A number with \"mended\" is the mutant without its bug, and C stands for\n"
      "programs that never had one.\n\n"
      "Each runs under every model under which its bug is one. The verdict \"caught\" also asks "
      "that\n"
      "the failure names the bug and the operation. States count recoveries, those after a crash "
      "in\n"
      "recovery included; a search that finds a failure ends there. `./dev crash --mutants` makes\n"
      "this page anew.\n\n"
      "{}, each counted once for a model.\n\n"
      "| Number | Name | Kind | Model | Expected | Verdict | Search | Crash points | States | "
      "Seconds |\n|---|---|---|---|---|---|---|--:|--:|--:|\n",
      summary(rows));
  for (const CorpusRow& row : rows) {
    page +=
        fmt::format("| {} | {} | {} | {} | {} | {} | {} | {} | {} | {:.4f} |\n", row.program.number,
                    row.program.name, kind_name(row.program.kind), short_model(row.program),
                    expected(row.program), verdict(row), extent(row.report),
                    row.report.crash_points, all_states(row.report), row.report.seconds);
  }
  return page;
}

}  // namespace nacre::mutants
