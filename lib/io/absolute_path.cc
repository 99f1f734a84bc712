#include "lib/io/absolute_path.h"

#include <system_error>

#include "lib/io/errno_error.h"

namespace nacre {

Result<std::filesystem::path> absolute_path(const std::filesystem::path& path) {
  std::error_code failed;
  std::filesystem::path whole = std::filesystem::absolute(path, failed);
  if (!failed) return whole;
  return error_from_errno(failed.value(), "find the current directory, which this path begins at",
                          path);
}

}  // namespace nacre
