// The exact sets of contents that a crash may leave of cache lines.

#include "emulation/simulation/line_model.h"

#include <gtest/gtest.h>

#include "tests/emulation/simulation/media_script.h"

namespace nacre {
namespace {

using Script = MediaScript<LineModel>;
using States = std::set<Script::Words>;

constexpr MediaAddress kA = 0;       // In line 0.
constexpr MediaAddress kB = 8;       // Also in line 0.
constexpr MediaAddress kC = 64;      // In line 1.
constexpr std::uint16_t kOther = 1;  // Another thread.

TEST(LineModel, OneLineKeepsAPrefixOfItsStores) {
  Script script;
  script.store(kA, 1).store(kB, 2).store(kA, 3);
  EXPECT_EQ(script.states({kA, kB}), (States{{0, 0}, {1, 0}, {1, 2}, {3, 2}}));
}

TEST(LineModel, LinesAreIndependent) {
  Script script;
  script.store(kA, 1).store(kC, 2);
  EXPECT_EQ(script.states({kA, kC}), (States{{0, 0}, {1, 0}, {0, 2}, {1, 2}}));
}

TEST(LineModel, AContentThatComesTwiceIsOneState) {
  Script script;
  script.store(kA, 1).store(kA, 0).store(kA, 1);
  EXPECT_EQ(script.states({kA}), (States{{0}, {1}}));
}

TEST(LineModel, AFlushNeedsAFence) {
  Script script;
  script.store(kA, 1).flush(kA);
  EXPECT_FALSE(script.narrowed());
  EXPECT_EQ(script.states({kA}), (States{{0}, {1}}));
  script.fence();
  EXPECT_TRUE(script.narrowed());
  EXPECT_EQ(script.states({kA}), (States{{1}}));
}

TEST(LineModel, AFenceNeedsAFlush) {
  Script script;
  script.store(kA, 1).fence();
  EXPECT_FALSE(script.narrowed());
  EXPECT_EQ(script.states({kA}), (States{{0}, {1}}));
}

TEST(LineModel, AFenceOfAnotherThreadWaitsForNothing) {
  Script script;
  script.store(kA, 1).flush(kA).fence(kOther);
  EXPECT_FALSE(script.narrowed());
  EXPECT_EQ(script.states({kA}), (States{{0}, {1}}));
}

TEST(LineModel, AFlushTakesWhatOtherThreadsHaveStoredInTheLine) {
  Script script;
  script.store(kA, 1, kOther).store(kB, 2, kOther).flush(kA).fence();
  EXPECT_EQ(script.states({kA, kB}), (States{{1, 2}}));
}

TEST(LineModel, StoresAfterTheFlushStayOpen) {
  Script script;
  script.store(kA, 1).flush(kA).store(kA, 2).fence();
  EXPECT_EQ(script.states({kA}), (States{{1}, {2}}));
  // The fence has spent the flush.
  script.fence();
  EXPECT_FALSE(script.narrowed());
  EXPECT_EQ(script.states({kA}), (States{{1}, {2}}));
}

TEST(LineModel, AFlushTakesEveryLineOfItsRange) {
  Script script;
  script.store(56, 1).store(kC, 2).store(128, 3).flush(60, 8).fence();
  EXPECT_EQ(script.states({56, kC, 128}), (States{{1, 2, 0}, {1, 2, 3}}));
}

TEST(LineModel, StreamedWordsOfALineHaveNoOrder) {
  Script script;
  script.stream(kA, 1).stream(kB, 2);
  EXPECT_EQ(script.states({kA, kB}), (States{{0, 0}, {1, 0}, {0, 2}, {1, 2}}));
  script.fence(kOther);
  EXPECT_FALSE(script.narrowed());
  EXPECT_EQ(script.states({kA, kB}).size(), 4U);
  script.fence();
  EXPECT_TRUE(script.narrowed());
  EXPECT_EQ(script.states({kA, kB}), (States{{1, 2}}));
}

TEST(LineModel, AFlushDoesNotTakeStreamedWordsOfOthers) {
  Script script;
  script.stream(kA, 1, kOther).flush(kA).fence();
  EXPECT_EQ(script.states({kA}), (States{{0}, {1}}));
}

TEST(LineModel, OneWordKeepsTheOrderOfStreamsAndStores) {
  Script script;
  script.stream(kA, 1).store(kA, 2).stream(kA, 3);
  EXPECT_EQ(script.states({kA}), (States{{0}, {1}, {2}, {3}}));
  script.flush(kA).fence();
  EXPECT_EQ(script.states({kA}), (States{{3}}));
}

TEST(LineModel, AStreamedWordIsNotUndoneByAnOlderStore) {
  Script script;
  script.store(kA, 1).stream(kA, 2).fence();
  EXPECT_EQ(script.states({kA}), (States{{2}}));
}

TEST(LineModel, AStoreOverAStreamIsFlushedAlone) {
  Script script;
  script.stream(kA, 1, kOther).store(kA, 2).flush(kA).fence();
  EXPECT_EQ(script.states({kA}), (States{{2}}));
}

// The streamed zero was taken for nothing, since it is what had been definite; but it lies over a
// store that the crash may have kept, and the line's next store with it.
TEST(LineModel, StreamingWhatWasThereIsNotNothing) {
  Script script;
  script.store(kA, 5).store(kB, 1).stream(kA, 0);
  EXPECT_EQ(script.states({kA, kB}), (States{{0, 0}, {5, 0}, {5, 1}, {0, 1}}));
}

// As the torn ends of a copy are streamed, and then a store comes over them: it is one store, which
// a stream before it cannot tear.
TEST(LineModel, AStoreOverSeveralStreamsStaysWhole) {
  Script script;
  script.stream(kA, 0x11111111, 0, 4).stream(kA + 4, 0x22222222, 0, 4);
  script.store(kA, 0x3333333344444444);
  EXPECT_EQ(
      script.states({kA}),
      (States{
          {0}, {0x11111111}, {0x2222222200000000}, {0x2222222211111111}, {0x3333333344444444}}));
}

// A part of a word that no streamed store wrote is the cache's to decide.
TEST(LineModel, AStreamLeavesTheRestOfItsWordAlone) {
  Script script;
  script.store(kA + 4, 0x55555555, 0, 4).store(kB, 1);
  script.stream(kA, 0x11111111, 0, 4).stream(kA, 0x2222222222222222);
  EXPECT_EQ(script.states({kA, kB}), (States{{0, 0},
                                             {0x5555555500000000, 0},
                                             {0x5555555500000000, 1},
                                             {0x11111111, 0},
                                             {0x5555555511111111, 0},
                                             {0x5555555511111111, 1},
                                             {0x2222222222222222, 0},
                                             {0x2222222222222222, 1}}));
}

}  // namespace
}  // namespace nacre
