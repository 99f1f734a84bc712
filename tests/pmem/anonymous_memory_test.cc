#include "pmem/anonymous_memory.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <utility>

#include "tests/support/result_matchers.h"

namespace nacre::pmem {
namespace {

TEST(AnonymousMemory, IsZeroAndBelongsToWhomItWasMovedTo) {
  ASSERT_OK_AND_ASSIGN(auto first, AnonymousMemory::create(4096, MemoryUse::kDense, "a"));
  ASSERT_OK_AND_ASSIGN(auto second, AnonymousMemory::create(8192, MemoryUse::kSparse, "b"));
  EXPECT_EQ(second.data()[8191], std::byte{0});
  second.data()[0] = std::byte{2};
  first = std::move(second);
  EXPECT_EQ(first.size(), 8192u);
  EXPECT_EQ(first.data()[0], std::byte{2});
}

TEST(AnonymousMemory, MoreThanTheAddressSpaceHasIsNoSpaceOfTheFileItIsFor) {
  const auto memory = AnonymousMemory::create(std::size_t{1} << 47, MemoryUse::kDense, "segment");
  ASSERT_THAT(memory, test::has_code(ErrorCode::kNoSpace));
  EXPECT_EQ(memory.error().path(), "segment");
}

}  // namespace
}  // namespace nacre::pmem
