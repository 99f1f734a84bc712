#include "lib/io/timed_heap.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <utility>
#include <vector>

#include "tests/support/seed.h"

namespace nacre {
namespace {

TEST(TimedHeap, GivesEqualTimesInTheirOrder) {
  std::vector<Timed> items(3);
  TimedHeap heap;
  for (std::size_t i = 0; i < items.size(); ++i) {
    items[i].at_ns = 7;
    items[i].order = 3 - i;
    heap.add(items[i]);
  }
  EXPECT_EQ(&heap.front(), &items[2]);
  heap.remove(items[2]);
  EXPECT_EQ(&heap.front(), &items[1]);
  heap.remove(items[2]);  // Twice is once.
  EXPECT_EQ(heap.size(), 2U);
}

TEST(TimedHeap, AgreesWithAnOrderedMap) {
  std::mt19937_64 random(test::seed());
  std::vector<Timed> items(200);
  TimedHeap heap;
  std::map<std::pair<std::uint64_t, std::uint64_t>, Timed*> model;
  for (std::uint64_t step = 0; step < 20'000; ++step) {
    Timed& item = items[random() % items.size()];
    if (item.waits()) {
      model.erase({item.at_ns, item.order});
      heap.remove(item);
    } else {
      item.at_ns = random() % 50;
      item.order = step;
      heap.add(item);
      model.emplace(std::pair(item.at_ns, item.order), &item);
    }
    ASSERT_EQ(heap.size(), model.size());
    if (!model.empty()) {
      ASSERT_EQ(&heap.front(), model.begin()->second);
    }
  }
}

}  // namespace
}  // namespace nacre
