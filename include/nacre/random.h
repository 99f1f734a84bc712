#pragma once

// The seam through which nacre draws random numbers, so that a simulation can replay them.

#include "nacre/compiler.h"

#include <cstdint>

namespace nacre {

/// Thread safety: every member may be called from any thread.
class RandomSource {
 public:
  virtual ~RandomSource() = default;
  /// 64 uniformly distributed bits.
  virtual std::uint64_t next_u64() noexcept = 0;
};

/// The kernel's generator (getrandom(2)).
class SystemRandom final : public RandomSource {
 public:
  std::uint64_t next_u64() noexcept override;
};

/// SplitMix64 (Steele, Lea, Flood, OOPSLA 2014): the same seed gives the same sequence.
/// With several threads drawing, which thread gets which number is not determined.
class SeededRandom final : public RandomSource {
 public:
  explicit SeededRandom(std::uint64_t seed) noexcept;
  std::uint64_t next_u64() noexcept override;

 private:
  std::uint64_t state_;  // Accessed through std::atomic_ref.
};

/// A uniform number in [0, bound). `bound` must not be 0.
std::uint64_t uniform_below(RandomSource& random, std::uint64_t bound) noexcept;

}  // namespace nacre
