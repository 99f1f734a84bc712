#pragma once

// What the corpus told, as a table.

#include <string>
#include <vector>

#include "tests/mutants/corpus.h"

namespace nacre::mutants {

struct CorpusRow {
  CorpusCase program;
  CrashReport report;
  std::string complaint;
};

/// A line of the table for a terminal.
std::string terminal_header();
std::string terminal_line(const CorpusRow& row);

/// The page of the documents.
std::string markdown_page(const std::vector<CorpusRow>& rows);

/// Such as "44 of 44 mutants caught, 80 of 80 correct programs passed, each under one model".
std::string summary(const std::vector<CorpusRow>& rows);

}  // namespace nacre::mutants
