// nacre_mutants [FILE.md]: runs the corpus, prints its table, and writes it to FILE.md.
//
// Exits 0 when every mutant was caught for its bug and every correct program passed, 1 when not,
// 2 when FILE.md cannot be written.

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <fstream>

#include "tests/mutants/corpus.h"
#include "tests/mutants/corpus_table.h"

int main(int argc, char** argv) {
  using namespace nacre::mutants;
  std::vector<CorpusRow> rows;
  fmt::print("{}\n", terminal_header());
  for (CorpusCase& program : all_cases()) {
    nacre::CrashReport report = run_case(program);
    std::string problem = complaint(program, report);
    rows.push_back({std::move(program), std::move(report), std::move(problem)});
    fmt::print("{}\n", terminal_line(rows.back()));
    if (!rows.back().complaint.empty()) {
      fmt::print("  {}\n{}", rows.back().complaint, rows.back().report.to_string());
    }
    std::fflush(stdout);
  }
  fmt::print("{}, each counted once for a model\n", summary(rows));
  if (argc > 1) {
    std::ofstream page(argv[1]);
    page << markdown_page(rows);
    if (!page.flush()) {
      fmt::print(stderr, "nacre_mutants: cannot write {}\n", argv[1]);
      return 2;
    }
  }
  return std::ranges::all_of(rows, [](const CorpusRow& row) { return row.complaint.empty(); }) ? 0
                                                                                               : 1;
}
