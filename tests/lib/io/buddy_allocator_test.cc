#include "lib/io/buddy_allocator.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <set>
#include <vector>

#include "nacre/random.h"
#include "tests/support/seed.h"

namespace nacre {
namespace {

constexpr std::size_t kLargest = std::size_t{1} << BuddyAllocator::kMaxOrder;

TEST(BuddyAllocator, GivesTheWholeRangeInLargestBlocks) {
  BuddyAllocator buddies(3 * kLargest);
  std::set<std::size_t> pages;
  for (int i = 0; i < 3; ++i) pages.insert(buddies.take(BuddyAllocator::kMaxOrder).value());
  EXPECT_EQ(pages, (std::set<std::size_t>{0, kLargest, 2 * kLargest}));
  EXPECT_EQ(buddies.take(0), std::nullopt);
}

TEST(BuddyAllocator, JoinsWhatComesBackInAnyOrder) {
  BuddyAllocator buddies(kLargest);
  std::vector<std::size_t> pages;
  while (const auto page = buddies.take(0)) pages.push_back(*page);
  ASSERT_EQ(pages.size(), kLargest);
  SeededRandom random(test::seed());
  while (!pages.empty()) {
    std::swap(pages[uniform_below(random, pages.size())], pages.back());
    EXPECT_EQ(buddies.take(BuddyAllocator::kMaxOrder), std::nullopt);
    EXPECT_EQ(buddies.give_back(pages.back()), 0U);
    pages.pop_back();
  }
  EXPECT_EQ(buddies.take(BuddyAllocator::kMaxOrder), 0U);
}

TEST(BuddyAllocator, BlocksAreAlignedAndNeverOverlap) {
  constexpr std::size_t kPages = 4 * kLargest;
  BuddyAllocator buddies(kPages);
  SeededRandom random(test::seed());
  std::map<std::size_t, unsigned> taken;
  std::size_t in_use = 0;
  for (int i = 0; i < 100'000; ++i) {
    const auto order = static_cast<unsigned>(uniform_below(random, BuddyAllocator::kMaxOrder + 1));
    if (uniform_below(random, 2) == 0) {
      const auto page = buddies.take(order);
      if (!page.has_value()) continue;
      const std::size_t pages = std::size_t{1} << order;
      ASSERT_EQ(*page % pages, 0U);
      const auto next = taken.lower_bound(*page);
      if (next != taken.end()) {
        ASSERT_LE(*page + pages, next->first);
      }
      if (next != taken.begin()) {
        const auto before = std::prev(next);
        ASSERT_LE(before->first + (std::size_t{1} << before->second), *page);
      }
      taken[*page] = order;
      in_use += pages;
      ASSERT_LE(in_use, kPages);
    } else if (!taken.empty()) {
      auto victim = taken.lower_bound(uniform_below(random, kPages));
      if (victim == taken.end()) victim = taken.begin();
      ASSERT_EQ(buddies.give_back(victim->first), victim->second);
      in_use -= std::size_t{1} << victim->second;
      taken.erase(victim);
    }
  }
  for (const auto& [page, order] : taken) buddies.give_back(page);
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(buddies.take(BuddyAllocator::kMaxOrder).has_value());
}

TEST(BuddyAllocatorDeathTest, ABlockGivenBackTwiceAsserts) {
  BuddyAllocator buddies(kLargest);
  const std::size_t page = buddies.take(3).value();
  buddies.give_back(page);
  EXPECT_DEATH(buddies.give_back(page), "kTaken");
}

}  // namespace
}  // namespace nacre
