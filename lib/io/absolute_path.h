#pragma once

// What a relative path means now, for whoever must go on meaning the same.

#include <filesystem>

#include "nacre/result.h"

namespace nacre {

/// `path` from the root on; nothing need be there.
/// Errors: `not_found` when the process' current directory is gone, `io`.
Result<std::filesystem::path> absolute_path(const std::filesystem::path& path);

}  // namespace nacre
