#include "lib/base/thread_number.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <barrier>
#include <cstddef>
#include <cstdint>
#include <thread>
#include <vector>

namespace nacre {
namespace {

/// Of threads that all live at once, sorted.
std::vector<std::uint32_t> numbers_of_threads(std::size_t count) {
  std::vector<std::uint32_t> numbers(count);
  std::barrier all_have_one(static_cast<std::ptrdiff_t>(count));
  std::vector<std::thread> threads;
  for (std::uint32_t& number : numbers) {
    threads.emplace_back([&] {
      number = thread_number();
      EXPECT_EQ(thread_number(), number);
      all_have_one.arrive_and_wait();
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::ranges::sort(numbers);
  return numbers;
}

TEST(ThreadNumber, ThreadsThatLiveTogetherHaveTheLowestNumbers) {
  const std::uint32_t own = thread_number();
  const std::vector<std::uint32_t> numbers = numbers_of_threads(70);
  std::vector<std::uint32_t> lowest;
  for (std::uint32_t number = 0; lowest.size() < numbers.size(); ++number) {
    if (number != own) lowest.push_back(number);
  }
  EXPECT_EQ(numbers, lowest);
}

// A run of threads in the crash explorer has to choose the same lanes as the run before.
TEST(ThreadNumber, IsGivenAgainOnceItsThreadHasEnded) {
  static_cast<void>(thread_number());
  std::vector<std::uint32_t> numbers;
  for (int i = 0; i < 3; ++i) {
    numbers.push_back(numbers_of_threads(1).front());
  }
  EXPECT_EQ(numbers, std::vector(3, numbers.front()));
}

TEST(ThreadNumber, IsThereForMoreThreadsThanThereAreNumbers) {
  const std::vector<std::uint32_t> numbers = numbers_of_threads(1100);
  EXPECT_LT(numbers.back(), 1024U);
}

}  // namespace
}  // namespace nacre
