#pragma once

// What every benchmark's program does alike: how it ends, and the files it leaves.

#include <functional>
#include <string>

#include "nacre/result.h"

namespace nacre::bench {

inline constexpr int kSuccess = 0;
/// A figure of nacre's own is missing, or a file was not written.
inline constexpr int kIncomplete = 1;
inline constexpr int kUsage = 2;

/// Runs `body` and returns what it returns. What the libraries of peers and options throw becomes a
/// line on standard error that begins with `name`, and `kUsage`.
int run_program(const char* name, const std::function<int()>& body);

/// Writes `content` to `path`; "" is nowhere. Errors: `io`.
Status write_figures(const std::string& path, const std::string& content);

}  // namespace nacre::bench
