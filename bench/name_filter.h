#pragma once

// Which rows a benchmark runs, by an extended regular expression (POSIX). The C library's: the C++
// one takes four seconds to compile.

#include <regex.h>

#include <memory>
#include <string>

#include "nacre/result.h"

namespace nacre::bench {

class NameFilter {
 public:
  /// Errors: `invalid_argument` (no expression).
  static Result<NameFilter> create(const std::string& expression);

  bool matches(const std::string& name) const;

 private:
  struct Free {
    void operator()(regex_t* compiled) const noexcept;
  };
  std::unique_ptr<regex_t, Free> compiled_;
};

}  // namespace nacre::bench
