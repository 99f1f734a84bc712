#include "tools/machine_probe.h"

#include <gtest/gtest.h>

namespace nacre::tools {
namespace {

TEST(MachineProbe, ReadsTheChosenWord) {
  EXPECT_EQ(chosen_word("always [madvise] never\n"), "madvise");
  EXPECT_EQ(chosen_word("always madvise never\n"), "");
  EXPECT_EQ(chosen_word("always [madvise"), "");
  EXPECT_EQ(chosen_word(""), "");
}

TEST(MachineProbe, ReadsMeminfo) {
  const char* meminfo = "MemTotalX:  1 kB\nMemTotal:       2048 kB\nHugePages_Total:       3\n";
  EXPECT_EQ(meminfo_value(meminfo, "MemTotal"), 2048U * 1024);
  EXPECT_EQ(meminfo_value(meminfo, "HugePages_Total"), 3U);
  EXPECT_EQ(meminfo_value(meminfo, "HugePages"), 0U);
  EXPECT_EQ(meminfo_value("", "MemTotal"), 0U);
}

TEST(MachineProbe, FindsThisMachine) {
  EXPECT_FALSE(probe_kernel().release.empty());
  EXPECT_GE(probe_kernel().cpus, 1U);
  EXPECT_GT(probe_memory().total_bytes, 0U);
}

TEST(MachineProbe, EitherSetsARingUpOrSaysWhyNot) {
  const IoUringProbe probe = probe_io_uring();
  EXPECT_EQ(probe.setup_errno == 0, !probe.features.empty());
}

}  // namespace
}  // namespace nacre::tools
