#pragma once

// What the workloads of the suites share.

#include <cstddef>
#include <string>
#include <utility>

#include "nacre/result.h"

namespace nacre::tools {

/// Ends the process with `error` on standard error: a workload that fails has tested nothing, and
/// the explorer says so.
[[noreturn]] void give_up(const Error& error) noexcept;

inline void require(const Status& status) {
  if (!status) give_up(status.error());
}

template <class T>
T require(Result<T> result) {
  if (!result) give_up(result.error());
  return *std::move(result);
}

/// A text of at least `bytes` bytes that no other index has, and at least 3.
std::string record_text(std::size_t index, std::size_t bytes);

/// An error that a check reports.
Error wrong(std::string what);

}  // namespace nacre::tools
