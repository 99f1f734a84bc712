// The explorer against its corpus: each mutant is caught for its bug, each correct program passes.

#include "tests/mutants/corpus.h"

#include <gtest/gtest.h>

#include <ostream>

namespace nacre::mutants {

void PrintTo(const CorpusCase& program, std::ostream* out) { *out << program.name; }

namespace {

class Corpus : public testing::TestWithParam<CorpusCase> {};

TEST_P(Corpus, IsJudgedRightly) {
  const CrashReport report = run_case(GetParam());
  EXPECT_EQ(complaint(GetParam(), report), "") << report.to_string();
}

INSTANTIATE_TEST_SUITE_P(Programs, Corpus, testing::ValuesIn(all_cases()),
                         [](const auto& named) { return named.param.identifier(); });

}  // namespace
}  // namespace nacre::mutants
