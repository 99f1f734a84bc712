#include "lib/base/thread_number.h"

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>

namespace nacre {
namespace {

constexpr std::uint32_t kBits = 64;

// A bit for each number that a living thread has. Never destroyed: threads may end after main does.
constinit std::array<std::atomic<std::uint64_t>, 16> taken_numbers{};

class ThreadNumber {
 public:
  ThreadNumber() noexcept {
    for (std::uint32_t at = 0; at < taken_numbers.size(); ++at) {
      std::atomic<std::uint64_t>& word = taken_numbers[at];
      std::uint64_t taken = word.load(std::memory_order_relaxed);
      while (~taken != 0) {
        const auto lowest = static_cast<std::uint32_t>(std::countr_one(taken));
        if (word.compare_exchange_weak(taken, taken | std::uint64_t{1} << lowest,
                                       std::memory_order_relaxed)) {
          value_ = at * kBits + lowest;
          is_own_ = true;
          return;
        }
      }
    }
  }
  ~ThreadNumber() {
    if (!is_own_) return;
    taken_numbers[value_ / kBits].fetch_and(~(std::uint64_t{1} << value_ % kBits),
                                            std::memory_order_relaxed);
  }
  ThreadNumber(const ThreadNumber&) = delete;
  ThreadNumber& operator=(const ThreadNumber&) = delete;

  std::uint32_t value() const noexcept { return value_; }

 private:
  std::uint32_t value_ = 0;
  bool is_own_ = false;
};

}  // namespace

std::uint32_t thread_number() noexcept {
  static thread_local const ThreadNumber number;
  return number.value();
}

}  // namespace nacre
