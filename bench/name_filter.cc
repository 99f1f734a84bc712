#include "bench/name_filter.h"

#include <fmt/format.h>

#include <array>

namespace nacre::bench {

Result<NameFilter> NameFilter::create(const std::string& expression) {
  auto compiled = std::make_unique<regex_t>();
  const int fault = ::regcomp(compiled.get(), expression.c_str(), REG_EXTENDED | REG_NOSUB);
  if (fault != 0) {
    std::array<char, 256> why{};
    ::regerror(fault, compiled.get(), why.data(), why.size());
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("'{}' is no regular expression: {}", expression, why.data()));
  }
  NameFilter filter;
  filter.compiled_.reset(compiled.release());
  return filter;
}

void NameFilter::Free::operator()(regex_t* compiled) const noexcept {
  ::regfree(compiled);
  delete compiled;
}

bool NameFilter::matches(const std::string& name) const {
  return ::regexec(compiled_.get(), name.c_str(), 0, nullptr, 0) == 0;
}

}  // namespace nacre::bench
