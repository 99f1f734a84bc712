#pragma once

// What tests of killed processes share.

#include <cstddef>

#include "nacre/emulation/crash_test.h"

namespace nacre::test {

/// Of the cache, in bytes.
inline constexpr std::size_t kLine = 64;

inline CrashTestOptions with_kills(CrashModel model = CrashModel::cache_line()) {
  CrashTestOptions options;
  options.machine.model = model;
  options.process_kills = true;
  return options;
}

}  // namespace nacre::test
