#include "lib/store/write_throttle.h"

#include <algorithm>

namespace nacre::store {
namespace {

constexpr double kFastest = 4.0;
constexpr double kSlowest = 0.5;
constexpr double kPicosecondsPerSecond = 1e12;
/// Sleeps are no shorter: going to sleep and waking up take some fifty microseconds.
constexpr std::uint64_t kShortestNs = 200'000;

}  // namespace

void WriteThrottle::set(double debt, double bytes_per_second) noexcept {
  std::uint64_t cost = 0;
  if (clock_ != nullptr && debt > kFreeDebt && bytes_per_second > 0) {
    const double over = std::min(1.0, (debt - kFreeDebt) / (1 - kFreeDebt));
    const double rate = bytes_per_second * (kFastest + (kSlowest - kFastest) * over);
    cost = static_cast<std::uint64_t>(kPicosecondsPerSecond / rate);
  }
  behind_.store(debt > kFreeDebt, std::memory_order_relaxed);
  ps_per_byte_.store(cost, std::memory_order_relaxed);
}

std::uint64_t WriteThrottle::take_turn(std::uint64_t length_ns) noexcept {
  const std::uint64_t now = clock_->monotonic_ns();
  std::uint64_t turn = next_turn_ns_.load(std::memory_order_relaxed);
  // A turn that nobody took is gone; one far ahead was handed out when the debt was higher.
  std::uint64_t mine = 0;
  do {
    mine = std::clamp(turn, now, now + kLongestNs);
  } while (!next_turn_ns_.compare_exchange_weak(turn, mine + length_ns, std::memory_order_relaxed));
  return mine - now < kShortestNs ? 0 : mine - now;
}

}  // namespace nacre::store
