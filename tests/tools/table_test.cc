#include "tools/table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace nacre::tools {
namespace {

using testing::ElementsAre;

TEST(Table, AlignsColumnsAndLeavesNoSpacesAtTheEnd) {
  Table table({{.title = "TOPIC"}, {.title = "SIZE", .align = Align::kRight}, {.title = "NOTE"}});
  table.add_row({"a", "1.5 µs", "x"});
  table.add_row({"longer", "22", ""});
  EXPECT_EQ(table.render(),
            "TOPIC     SIZE  NOTE\n"
            "a       1.5 µs  x\n"
            "longer      22\n");
}

TEST(Table, IsItsTitlesWithoutRows) {
  EXPECT_EQ(Table({{.title = "A"}, {.title = "B"}}).render(), "A  B\n");
}

TEST(Facts, StandBelowEachOther) {
  Facts facts;
  facts.add("kernel", "6.1");
  facts.add("CPU", "one");
  EXPECT_EQ(facts.render(2), "  kernel  6.1\n  CPU     one\n");
}

TEST(Facts, BreakLongValuesBelowTheirBeginning) {
  Facts facts;
  facts.add("a", "one two three four five six");
  EXPECT_EQ(facts.render(0, 23), "a  one two three four\n   five six\n");
}

TEST(Wrap, BreaksBetweenWords) {
  EXPECT_THAT(wrap("aa bb cc", 5), ElementsAre("aa bb", "cc"));
  EXPECT_THAT(wrap("a muchtoolongword b", 5), ElementsAre("a", "muchtoolongword", "b"));
  EXPECT_THAT(wrap("", 5), ElementsAre(""));
}

}  // namespace
}  // namespace nacre::tools
