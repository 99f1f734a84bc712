#include "lib/store/memory_budget.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <limits>
#include <utility>
#include <vector>

#include "lib/store/arena.h"
#include "tests/support/result_matchers.h"

namespace nacre::store {
namespace {

using test::has_code;
using Part = MemoryBudget::Part;

constexpr std::size_t kBlock = MemoryBudget::kBlockBytes;

/// A machine that has so many blocks left.
class MemoryBudgetTest : public testing::Test {
 protected:
  MemoryBudget::Source source() {
    return [this](std::size_t bytes) -> Result<BufferMemory> {
      if (left_ == 0) return Error(ErrorCode::kNoSpace, "no memory");
      --left_;
      return BufferMemory::create(bytes, {.kind = BufferMemoryKind::kPlain});
    };
  }

  std::size_t left_ = std::numeric_limits<std::size_t>::max();
};

TEST_F(MemoryBudgetTest, CountsByPartsUntilTheyGo) {
  MemoryBudget budget(0, source());
  {
    Arena arena(&budget);
    EXPECT_EQ(budget.used_bytes(), 0U);
    arena.allocate(100);
    EXPECT_EQ(budget.used_bytes(Part::kMemtables), kBlock);
    arena.allocate_bytes(3 * kBlock);
    EXPECT_EQ(budget.used_bytes(Part::kMemtables), 4 * kBlock);
    MemoryCharge charge(&budget, Part::kBuilders);
    charge.set(1000);
    charge.set(300);
    EXPECT_EQ(budget.used_bytes(Part::kBuilders), 300U);
    EXPECT_EQ(budget.used_bytes(), 4 * kBlock + 300);
    EXPECT_EQ(budget.times_given_back(), 0U);
  }
  EXPECT_EQ(budget.used_bytes(), 0U);
  EXPECT_EQ(budget.times_given_back(), 1U);
}

TEST_F(MemoryBudgetTest, WithoutABoundThereIsAlwaysRoom) {
  MemoryBudget budget(0, source());
  ASSERT_OK(budget.open());
  budget.add(Part::kMemtables, std::uint64_t{1} << 50);
  EXPECT_TRUE(budget.has_room(MemoryBudget::kSmallWriteBytes));
  EXPECT_FALSE(budget.has_room(MemoryBudget::kSmallWriteBytes + 1)) << "it asks for its own";
  EXPECT_OK(budget.reserve({.pieces_bytes = 10 * kBlock, .block_bytes = 5 * kBlock}));
}

TEST_F(MemoryBudgetTest, AboveTheBoundNobodyBegins) {
  MemoryBudget budget(4 * kBlock, source());
  ASSERT_OK(budget.open());
  MemoryCharge charge(&budget, Part::kTables);
  charge.set(4 * kBlock);
  EXPECT_TRUE(budget.has_room(1));
  EXPECT_THAT(budget.reserve({.pieces_bytes = kBlock}), has_code(ErrorCode::kNoSpace));
  charge.set(4 * kBlock + 1);
  EXPECT_FALSE(budget.has_room(1));
  EXPECT_THAT(budget.reserve({.pieces_bytes = 1}), has_code(ErrorCode::kNoSpace));
  charge.set(3 * kBlock);
  EXPECT_OK(budget.reserve({.pieces_bytes = 1}));
  EXPECT_TRUE(budget.has_room(1)) << "asking has found that there is room again";
}

TEST_F(MemoryBudgetTest, WhoHasBegunGetsMemoryFromAMachineThatHasNone) {
  MemoryBudget budget(0, source());
  ASSERT_OK(budget.open());
  left_ = 0;
  Arena arena(&budget);
  for (std::size_t i = 0; i < MemoryBudget::kBlocksAhead; ++i) {
    arena.allocate_bytes(kBlock)[kBlock - 1] = std::byte{1};
    EXPECT_FALSE(budget.has_room(1)) << "the next writer has to ask";
    EXPECT_THAT(budget.reserve({.pieces_bytes = 1}), has_code(ErrorCode::kNoSpace));
  }
  left_ = MemoryBudget::kBlocksAhead - 1;
  EXPECT_THAT(budget.reserve({.pieces_bytes = 1}), has_code(ErrorCode::kNoSpace));
  left_ = 1;
  EXPECT_OK(budget.reserve({.pieces_bytes = 1}));
  EXPECT_TRUE(budget.has_room(1));
  left_ = 0;
  for (std::size_t i = 0; i < MemoryBudget::kBlocksAhead; ++i) arena.allocate_bytes(kBlock);
}

TEST_F(MemoryBudgetTest, AReservationHoldsABlockOfItsSizeAndLeavesTheOthers) {
  MemoryBudget budget(0, source());
  ASSERT_OK(budget.open());
  {
    const auto reserved = budget.reserve({.pieces_bytes = 1, .block_bytes = 7 * kBlock});
    ASSERT_TRUE(reserved.has_value());
    left_ = 0;
    Arena arena(&budget);
    arena.allocate_bytes(7 * kBlock)[7 * kBlock - 1] = std::byte{1};
    arena.allocate(100);
    for (std::size_t i = 0; i < MemoryBudget::kBlocksAhead; ++i) arena.allocate_bytes(kBlock);
  }
  left_ = MemoryBudget::kBlocksAhead;
  EXPECT_OK(budget.reserve({.pieces_bytes = 1}));
}

TEST_F(MemoryBudgetTest, AReservationThatFailsTakesNothing) {
  MemoryBudget budget(0, source());
  ASSERT_OK(budget.open());
  left_ = 2;
  EXPECT_THAT(budget.reserve({.pieces_bytes = 9 * kBlock}), has_code(ErrorCode::kNoSpace));
  left_ = 0;
  EXPECT_OK(budget.reserve({.pieces_bytes = 1})) << "what is mapped ahead is still there";
  Arena arena(&budget);
  for (std::size_t i = 0; i < MemoryBudget::kBlocksAhead; ++i) arena.allocate_bytes(kBlock);
}

TEST_F(MemoryBudgetTest, WhatIsMappedAheadIsPartOfOpening) {
  MemoryBudget budget(0, source());
  left_ = MemoryBudget::kBlocksAhead - 1;
  EXPECT_THAT(budget.open(), has_code(ErrorCode::kNoSpace));
}

}  // namespace
}  // namespace nacre::store
