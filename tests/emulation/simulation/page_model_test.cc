// The exact sets of contents that a crash may leave of mapped pages.

#include "emulation/simulation/page_model.h"

#include <gtest/gtest.h>

#include "tests/emulation/simulation/media_script.h"

namespace nacre {
namespace {

using Script = MediaScript<PageModel>;
using States = std::set<Script::Words>;

constexpr std::size_t kPage = 4096;
constexpr std::size_t kSector = 512;
constexpr MediaAddress kA = 0;
constexpr MediaAddress kB = kSector;  // In another sector of the same page.
constexpr MediaAddress kC = kPage;    // In another page.

TEST(PageModel, APageIsAnyOfItsSnapshots) {
  Script script(kPage);
  script.store(kB, 1).store(kA, 2).store(kB, 3);
  EXPECT_EQ(script.states({kA, kB}), (States{{0, 0}, {0, 1}, {2, 1}, {2, 3}}));
}

TEST(PageModel, PagesAreIndependent) {
  Script script(kPage);
  script.store(kA, 1).store(kC, 2);
  EXPECT_EQ(script.states({kA, kC}), (States{{0, 0}, {1, 0}, {0, 2}, {1, 2}}));
}

TEST(PageModel, SectorsAreIndependentWhenStrict) {
  Script script(kSector);
  script.store(kA, 1).store(kB, 2);
  EXPECT_EQ(script.states({kA, kB}), (States{{0, 0}, {1, 0}, {0, 2}, {1, 2}}));
}

TEST(PageModel, StreamedWordsAreStores) {
  Script script(kPage);
  script.stream(kA, 1).store(kB, 2).fence();
  EXPECT_FALSE(script.narrowed());
  EXPECT_EQ(script.states({kA, kB}), (States{{0, 0}, {1, 0}, {1, 2}}));
}

TEST(PageModel, FlushesAndFencesMakeNothingDurable) {
  Script script(kPage);
  script.store(kA, 1).flush(kA).fence();
  EXPECT_FALSE(script.narrowed());
  EXPECT_EQ(script.states({kA}), (States{{0}, {1}}));
}

TEST(PageModel, ASyncTakesThePagesOfItsRange) {
  Script script(kPage);
  script.store(kA, 1).store(kC, 2).sync(kA, kPage);
  EXPECT_TRUE(script.narrowed());
  EXPECT_EQ(script.states({kA, kC}), (States{{1, 0}, {1, 2}}));
  script.sync(kA, kPage);
  EXPECT_FALSE(script.narrowed());
  script.store(kA, 3);
  EXPECT_EQ(script.states({kA, kC}), (States{{1, 0}, {1, 2}, {3, 0}, {3, 2}}));
}

// msync takes whole pages, also where sectors tear one by one; those beside the range were left
// open.
TEST(PageModel, ASyncOfAPartTakesTheWholePage) {
  Script script(kSector);
  script.store(kA, 1).store(kB, 2).store(kC, 3).sync(kB, 8);
  EXPECT_TRUE(script.narrowed());
  EXPECT_EQ(script.states({kA, kB, kC}), (States{{1, 2, 0}, {1, 2, 3}}));
}

}  // namespace
}  // namespace nacre
