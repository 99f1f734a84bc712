#pragma once

// Result<T>: a value or an Error, never silently dropped.
//
// A class of its own rather than an alias: libstdc++ 12 does not mark std::expected [[nodiscard]],
// so an alias would lose errors without a warning.

#include "nacre/compiler.h"

#include <expected>
#include <utility>

#include "nacre/error.h"

namespace nacre {

template <class T>
class [[nodiscard]] Result : public std::expected<T, Error> {
 public:
  using std::expected<T, Error>::expected;
  /// An Error converts, so that `return Error(...)` reads as it should.
  // NOLINTNEXTLINE(google-explicit-constructor)
  Result(Error error) : std::expected<T, Error>(std::unexpect, std::move(error)) {}
};

/// Success, or an Error.
using Status = Result<void>;

}  // namespace nacre
