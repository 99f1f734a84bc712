#pragma once

// Ranks of which few are drawn often: the generator of Gray, Sundaresan, Englert, Baclawski and
// Weinberger, "Quickly Generating Billion-Record Synthetic Databases" (SIGMOD 1994), section 3, as
// YCSB has it (Cooper et al., "Benchmarking Cloud Serving Systems with YCSB", SoCC 2010).
//
// Thread safety: one thread at a time.

#include <cstdint>

#include "nacre/random.h"

namespace nacre::bench {

class Zipfian {
 public:
  static constexpr double kYcsbSkew = 0.99;

  /// Draws from [0, count), 0 the most often. `count` is 2 or more, `skew` above 0 and below 1.
  explicit Zipfian(std::uint64_t count, double skew = kYcsbSkew);

  std::uint64_t draw(RandomSource& random) const noexcept;
  /// From now on from [0, count), which is not less than before. Costs what is added.
  void grow(std::uint64_t count);
  std::uint64_t count() const noexcept { return count_; }

 private:
  void settle() noexcept;

  double skew_;
  double alpha_;
  double second_;  // The weight of rank 1, that of rank 0 being 1.
  std::uint64_t count_ = 0;
  double zeta_ = 0;  // The weights of all ranks together.
  double eta_ = 0;
};

/// Scatters ranks over [0, count), so that those drawn often are not neighbours (64-bit FNV-1a).
std::uint64_t scattered(std::uint64_t rank, std::uint64_t count) noexcept;

}  // namespace nacre::bench
