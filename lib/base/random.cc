#include "nacre/random.h"

#include <sys/random.h>

#include <atomic>
#include <cerrno>

#include "lib/base/assert.h"

namespace nacre {

std::uint64_t SystemRandom::next_u64() noexcept {
  std::uint64_t value = 0;
  ssize_t got = 0;
  do {
    got = getrandom(&value, sizeof(value), 0);
  } while (got < 0 && errno == EINTR);
  // getrandom(2): a request of up to 256 bytes is served whole; it can fail only where the kernel
  // has no such call, which is a machine nacre does not run on.
  NACRE_ASSERT(got == static_cast<ssize_t>(sizeof(value)));
  return value;
}

SeededRandom::SeededRandom(std::uint64_t seed) noexcept : state_(seed) {}

// The state is a counter, so that drawing from several threads is one atomic addition; the three
// constants are those of the paper's reference implementation.
std::uint64_t SeededRandom::next_u64() noexcept {
  constexpr std::uint64_t kGamma = 0x9e3779b97f4a7c15;
  std::uint64_t z = std::atomic_ref(state_).fetch_add(kGamma, std::memory_order_relaxed) + kGamma;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

// Lemire, "Fast Random Integer Generation in an Interval", ACM TOMACS 29(1), 2019, algorithm 5:
// the high half of a product is the draw; the few low halves that would bias it are drawn again.
std::uint64_t uniform_below(RandomSource& random, std::uint64_t bound) noexcept {
  NACRE_ASSERT(bound != 0);
  __extension__ using Wide = unsigned __int128;
  Wide product = static_cast<Wide>(random.next_u64()) * bound;
  if (static_cast<std::uint64_t>(product) < bound) {
    const std::uint64_t threshold = (0 - bound) % bound;
    while (static_cast<std::uint64_t>(product) < threshold) {
      product = static_cast<Wide>(random.next_u64()) * bound;
    }
  }
  return static_cast<std::uint64_t>(product >> 64);
}

}  // namespace nacre
