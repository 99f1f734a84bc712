#pragma once

// The operations that are with a backend, and what their owners must not do with them: submit one
// that is still there, or more than fit, or call back one that was never submitted. Each is a
// mistake of the programmer, which every backend meets with the same assertion.
//
// Thread safety: none.

#include <cstddef>

#include "nacre/io.h"

namespace nacre {

class IoRoster {
 public:
  IoRoster(const IoBackend& backend, std::size_t depth) noexcept
      : backend_(backend), depth_(depth) {}

  /// A chain comes in.
  void enter(IoOperation* first);
  /// An operation is given back.
  void leave(IoOperation& operation) noexcept;
  /// Whether `operation`, which is to be called back, is still here.
  bool has(const IoOperation& operation) const;

  std::size_t count() const noexcept { return count_; }

 private:
  const IoBackend& backend_;
  const std::size_t depth_;
  std::size_t count_ = 0;
};

}  // namespace nacre
