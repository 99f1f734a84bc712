// The exact sets of contents that a crash may leave where caches survive it.

#include "emulation/simulation/durable_cache_model.h"

#include <gtest/gtest.h>

#include "tests/emulation/simulation/media_script.h"

namespace nacre {
namespace {

using Script = MediaScript<DurableCacheModel>;
using States = std::set<Script::Words>;

constexpr MediaAddress kA = 0;
constexpr MediaAddress kB = 8;
constexpr MediaAddress kC = 64;      // In another line.
constexpr std::uint16_t kOther = 1;  // Another thread.

TEST(DurableCacheModel, KeepsAPrefixOfAllStores) {
  Script script;
  script.store(kC, 1).store(kA, 2).store(kC, 3, kOther);
  EXPECT_EQ(script.states({kA, kC}), (States{{0, 0}, {0, 1}, {2, 1}, {2, 3}}));
}

TEST(DurableCacheModel, AFenceNeedsNoFlush) {
  Script script;
  script.store(kA, 1).store(kC, 2).fence();
  EXPECT_TRUE(script.narrowed());
  EXPECT_EQ(script.states({kA, kC}), (States{{1, 2}}));
  script.fence();
  EXPECT_FALSE(script.narrowed());
}

TEST(DurableCacheModel, AFenceWaitsForWhatItsThreadHasSeenBecomeVisible) {
  Script script;
  script.store(kA, 1, kOther).store(kB, 2).store(kC, 3, kOther).fence();
  EXPECT_EQ(script.states({kA, kB, kC}), (States{{1, 2, 0}, {1, 2, 3}}));
}

// The fence is waited for by its thread's store, whatever that stores.
TEST(DurableCacheModel, AStoreOfWhatWasThereIsAStore) {
  Script script;
  script.store(kA, 1, kOther).store(kC, 0).fence();
  EXPECT_TRUE(script.narrowed());
  EXPECT_EQ(script.states({kA, kC}), (States{{1, 0}}));
  script.store(kA, 2, kOther).store(kC, 0).store(kB, 3, kOther).fence();
  EXPECT_EQ(script.states({kA, kB, kC}), (States{{2, 0, 0}, {2, 3, 0}}));
}

TEST(DurableCacheModel, AFenceOfAThreadWithoutStoresWaitsForNothing) {
  Script script;
  script.store(kA, 1).fence(kOther);
  EXPECT_FALSE(script.narrowed());
  EXPECT_EQ(script.states({kA}), (States{{0}, {1}}));
}

// A reader that makes sure of what it read, before it tells anybody, was told that it is lost.
TEST(DurableCacheModel, WhoFlushesALineHasSeenWhatIsInIt) {
  Script script;
  script.store(kC, 1).store(kA, 2).store(kC, 3).flush(kB, 8, kOther).fence(kOther);
  EXPECT_TRUE(script.narrowed());
  EXPECT_EQ(script.states({kA, kC}), (States{{2, 1}, {2, 3}}));
  script.fence(kOther);
  EXPECT_FALSE(script.narrowed());
}

TEST(DurableCacheModel, AFlushWithoutAFenceWaitsForNothing) {
  Script script;
  script.store(kA, 1).flush(kA, 8, kOther);
  EXPECT_EQ(script.states({kA}), (States{{0}, {1}}));
}

TEST(DurableCacheModel, StreamedWordsAreLostInAnyOrder) {
  Script script;
  script.stream(kA, 1).stream(kB, 2).store(kC, 3);
  EXPECT_EQ(
      script.states({kA, kB, kC}),
      (States{
          {0, 0, 0}, {1, 0, 0}, {0, 2, 0}, {1, 2, 0}, {0, 0, 3}, {1, 0, 3}, {0, 2, 3}, {1, 2, 3}}));
  script.fence();
  EXPECT_EQ(script.states({kA, kB, kC}), (States{{1, 2, 3}}));
}

TEST(DurableCacheModel, OneWordKeepsTheOrderOfStreamsAndStores) {
  Script script;
  script.stream(kA, 1, kOther).store(kA, 2);
  EXPECT_EQ(script.states({kA}), (States{{0}, {1}, {2}}));
  script.fence();
  EXPECT_EQ(script.states({kA}), (States{{2}}));
}

TEST(DurableCacheModel, AStreamedWordIsNotUndoneByAnOlderStore) {
  Script script;
  script.store(kA, 1, kOther).stream(kA, 2).fence();
  EXPECT_EQ(script.states({kA}), (States{{2}}));
}

TEST(DurableCacheModel, StreamingWhatWasThereIsNotNothing) {
  Script script;
  script.store(kA, 5).store(kB, 1).stream(kA, 0);
  EXPECT_EQ(script.states({kA, kB}), (States{{0, 0}, {5, 0}, {5, 1}, {0, 1}}));
}

}  // namespace
}  // namespace nacre
