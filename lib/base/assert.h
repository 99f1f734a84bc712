#pragma once

// NACRE_ASSERT: for mistakes of the programmer, never for what is read from media.

namespace nacre {

/// Prints the failed condition and aborts.
[[noreturn]] void assertion_failed(const char* condition, const char* file, int line) noexcept;

}  // namespace nacre

#define NACRE_ASSERT(condition)                      \
  (__builtin_expect(static_cast<bool>(condition), 1) \
       ? static_cast<void>(0)                        \
       : ::nacre::assertion_failed(#condition, __FILE__, __LINE__))
