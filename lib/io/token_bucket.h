#pragma once

// A rate with a memory: what was not used lately may be used at once, up to a bound.
//
// Thread safety: none of its own.

#include <cstdint>

namespace nacre {

class TokenBucket {
 public:
  /// So much of what was not used is kept.
  static constexpr std::uint64_t kBurstNs = 50'000'000;

  /// `per_second` of 0 is no bound.
  explicit TokenBucket(std::uint64_t per_second) noexcept : per_second_(per_second) {}

  /// Open while there is any credit: what is taken may be larger than the credit, and is then paid
  /// back before the next. Otherwise a request larger than the bucket could never begin.
  bool is_open(std::uint64_t now_ns) const noexcept { return opens_ns() <= now_ns; }
  /// When it opens next, if nothing is taken meanwhile.
  std::uint64_t opens_ns() const noexcept {
    return full_ns_ < kBurstNs ? 0 : full_ns_ - kBurstNs + 1;
  }
  void take(std::uint64_t tokens, std::uint64_t now_ns) noexcept;

 private:
  std::uint64_t per_second_;
  std::uint64_t full_ns_ = 0;  // The generic cell rate algorithm (ITU-T I.371) keeps this alone.
};

}  // namespace nacre
