#pragma once

// NACRE_TRY(expression): the value of a Result, or a return of its Error from this function.
//
//   auto file = NACRE_TRY(file_system.open(path, options));
//   NACRE_TRY(file->sync());
//
// A statement expression (a GNU extension both our compilers have), so that it can be used inside
// an expression. The enclosing function returns a Result.

#include <utility>

#include "nacre/result.h"

#define NACRE_TRY(expression)                     \
  __extension__({                                 \
    auto nacre_try_result = (expression);         \
    if (!nacre_try_result) [[unlikely]] {         \
      return std::move(nacre_try_result).error(); \
    }                                             \
    *std::move(nacre_try_result);                 \
  })
