#include "tools/crash_suites/workload.h"

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>

namespace nacre::tools {

void give_up(const Error& error) noexcept {
  fmt::print(stderr, "the workload of a crash suite failed: {}\n", error.to_string());
  std::abort();
}

std::string record_text(std::size_t index, std::size_t bytes) {
  std::string text = fmt::format("{:03}", index);
  while (text.size() < bytes) text += static_cast<char>('a' + (index + text.size()) % 26);
  return text;
}

Error wrong(std::string what) { return Error(ErrorCode::kCorruption, std::move(what)); }

}  // namespace nacre::tools
