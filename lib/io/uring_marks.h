#pragma once

// What completions of a ring carry: the address of their UringStep, or one of these.

#include <cstdint>

#include "lib/io/uring_step.h"

namespace nacre {

inline constexpr std::uint64_t kBellMark = 1;
inline constexpr std::uint64_t kCancelMark = 2;

inline std::uint64_t mark_of(const UringStep& step) {
  return reinterpret_cast<std::uint64_t>(&step);
}

}  // namespace nacre
