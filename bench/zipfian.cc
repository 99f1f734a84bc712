#include "bench/zipfian.h"

#include <algorithm>
#include <cmath>

#include "lib/base/assert.h"

namespace nacre::bench {

Zipfian::Zipfian(std::uint64_t count, double skew)
    : skew_(skew), alpha_(1 / (1 - skew)), second_(std::pow(0.5, skew)) {
  NACRE_ASSERT(count >= 2 && skew > 0 && skew < 1);
  grow(count);
}

void Zipfian::grow(std::uint64_t count) {
  for (; count_ < count; ++count_) zeta_ += std::pow(static_cast<double>(count_ + 1), -skew_);
  settle();
}

void Zipfian::settle() noexcept {
  const double shrunk = std::pow(2 / static_cast<double>(count_), 1 - skew_);
  eta_ = (1 - shrunk) / (1 - (1 + second_) / zeta_);
}

std::uint64_t Zipfian::draw(RandomSource& random) const noexcept {
  constexpr int kFraction = 53;  // Bits of a double's.
  const double uniform =
      std::ldexp(static_cast<double>(random.next_u64() >> (64 - kFraction)), -kFraction);
  const double weight = uniform * zeta_;
  if (weight < 1) return 0;
  if (weight < 1 + second_) return 1;
  const double rank = static_cast<double>(count_) * std::pow(eta_ * uniform - eta_ + 1, alpha_);
  return std::min(count_ - 1, static_cast<std::uint64_t>(rank));
}

std::uint64_t scattered(std::uint64_t rank, std::uint64_t count) noexcept {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (int byte = 0; byte < 8; ++byte) {
    hash = (hash ^ (rank & 0xff)) * 0x100000001b3;
    rank >>= 8;
  }
  return hash % count;
}

}  // namespace nacre::bench
