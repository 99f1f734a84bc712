#include "emulation/simulation/streaming_store.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

namespace nacre {
namespace {

// As GNU as encodes them, with zeros behind, where an instruction is looked at further than it
// goes.
using Code = std::vector<std::uint8_t>;

bool streams(Code code) {
  code.resize(16);
  return is_streaming_store(code.data());
}

TEST(StreamingStore, KnowsEachEncoding) {
  EXPECT_TRUE(streams({0x0f, 0xc3, 0x07}));                    // movnti %eax,(%rdi)
  EXPECT_TRUE(streams({0x48, 0x0f, 0xc3, 0x07}));              // movnti %rax,(%rdi)
  EXPECT_TRUE(streams({0x4d, 0x0f, 0xc3, 0x11}));              // movnti %r10,(%r9)
  EXPECT_TRUE(streams({0x64, 0x48, 0x0f, 0xc3, 0x07}));        // movnti %rax,%fs:(%rdi)
  EXPECT_TRUE(streams({0x0f, 0xe7, 0x07}));                    // movntq %mm0,(%rdi)
  EXPECT_TRUE(streams({0x66, 0x0f, 0xe7, 0x07}));              // movntdq %xmm0,(%rdi)
  EXPECT_TRUE(streams({0x66, 0x45, 0x0f, 0xe7, 0x01}));        // movntdq %xmm8,(%r9)
  EXPECT_TRUE(streams({0x0f, 0x2b, 0x07}));                    // movntps
  EXPECT_TRUE(streams({0x66, 0x0f, 0x2b, 0x07}));              // movntpd
  EXPECT_TRUE(streams({0x66, 0x0f, 0xf7, 0xc1}));              // maskmovdqu
  EXPECT_TRUE(streams({0xc5, 0xfd, 0xe7, 0x07}));              // vmovntdq %ymm0,(%rdi)
  EXPECT_TRUE(streams({0xc4, 0x41, 0x7d, 0xe7, 0x01}));        // vmovntdq %ymm8,(%r9)
  EXPECT_TRUE(streams({0xc5, 0xfc, 0x2b, 0x07}));              // vmovntps
  EXPECT_TRUE(streams({0x62, 0xf1, 0x7d, 0x48, 0xe7, 0x07}));  // vmovntdq %zmm0,(%rdi)
  EXPECT_TRUE(streams({0x62, 0xf1, 0x7c, 0x48, 0x2b, 0x07}));  // vmovntps %zmm0,(%rdi)
  EXPECT_TRUE(streams({0x0f, 0x38, 0xf9, 0x07}));              // movdiri %eax,(%rdi)
  EXPECT_TRUE(streams({0x66, 0x0f, 0x38, 0xf8, 0x07}));        // movdir64b (%rdi),%rax
}

TEST(StreamingStore, LeavesOthersToTheCache) {
  EXPECT_FALSE(streams({0x48, 0x89, 0x07}));                    // mov %rax,(%rdi)
  EXPECT_FALSE(streams({0xf3, 0x48, 0xa5}));                    // rep movsq
  EXPECT_FALSE(streams({0x0f, 0x29, 0x07}));                    // movaps %xmm0,(%rdi)
  EXPECT_FALSE(streams({0x66, 0x0f, 0x7f, 0x07}));              // movdqa %xmm0,(%rdi)
  EXPECT_FALSE(streams({0xc5, 0xfd, 0x7f, 0x07}));              // vmovdqa %ymm0,(%rdi)
  EXPECT_FALSE(streams({0x62, 0xf1, 0xfd, 0x48, 0x7f, 0x07}));  // vmovdqa64 %zmm0,(%rdi)
  EXPECT_FALSE(streams({0xf0, 0x48, 0x0f, 0xb1, 0x07}));        // lock cmpxchg %rax,(%rdi)
  // movbe %eax,(%rdi), whose map has another F1.
  EXPECT_FALSE(streams({0x0f, 0x38, 0xf1, 0x07}));
  // vmaskmovps %ymm0,%ymm1,(%rdi): opcode 2E of the map of 0F 38.
  EXPECT_FALSE(streams({0xc4, 0xe2, 0x75, 0x2e, 0x07}));
}

}  // namespace
}  // namespace nacre
