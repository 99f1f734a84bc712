#include "tools/progress.h"

#include <gtest/gtest.h>

#include "tools/text.h"

namespace nacre::tools {
namespace {

ProgressState half_way() {
  return {.label = "ingesting",
          .done = 50,
          .total = 100,
          .records = 12'000,
          .bytes = std::uint64_t{8} << 20,
          .elapsed_ns = 4'000'000'000};
}

TEST(Progress, ShowsBarRateAndTimeLeft) {
  EXPECT_EQ(render_progress(half_way(), 100),
            "ingesting  50% [==============>             ]"
            "  12,000 records  3,000/s  2.0 MiB/s  0:04 left");
}

TEST(Progress, LeavesOutWhatDoesNotFit) {
  EXPECT_EQ(render_progress(half_way(), 60),
            "ingesting  50% [=========>        ]  12,000 records  3,000/s");
  EXPECT_EQ(render_progress(half_way(), 26), "ingesting  50% [====>    ]");
  EXPECT_EQ(render_progress(half_way(), 20), "ingesting  50%");
}

TEST(Progress, NeverPassesTheWidth) {
  for (std::size_t width = 20; width < 120; ++width) {
    EXPECT_LE(display_width(render_progress(half_way(), width)), width);
  }
}

TEST(Progress, HasNoBarWhenTheEndIsUnknown) {
  ProgressState state = half_way();
  state.total = 0;
  EXPECT_EQ(render_progress(state, 100), "ingesting  12,000 records  3,000/s  2.0 MiB/s");
}

TEST(Progress, LeavesOutRecordsThatNobodyCounts) {
  ProgressState state = half_way();
  state.records = 0;
  state.total = 0;
  EXPECT_EQ(render_progress(state, 100), "ingesting  2.0 MiB/s");
}

TEST(Progress, StopsAtTheWhole) {
  ProgressState state = half_way();
  state.done = 120;
  EXPECT_EQ(render_progress(state, 41), "ingesting 100% [========]  12,000 records");
}

}  // namespace
}  // namespace nacre::tools
