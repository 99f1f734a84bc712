#pragma once

// What a fuzz target says when a property does not hold: it stops, so that the input is kept.

#include <cstdio>
#include <cstdlib>

namespace nacre::fuzz {

inline void check(bool holds, const char* property) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n", property);
  std::abort();
}

}  // namespace nacre::fuzz
