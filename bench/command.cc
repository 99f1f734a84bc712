#include "bench/command.h"

#include <fmt/format.h>

#include <exception>
#include <fstream>

namespace nacre::bench {

int run_program(const char* name, const std::function<int()>& body) {
  try {
    return body();
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}: {}\n", name, error.what());
    return kUsage;
  }
}

Status write_figures(const std::string& path, const std::string& content) {
  if (path.empty()) return {};
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << content;
  file.close();
  if (file) return {};
  return Error(ErrorCode::kIo, "cannot write the figures").with_path(path);
}

}  // namespace nacre::bench
