#pragma once

// What a person has given as the directory of a log: told apart before the library, which has only
// the errors of single calls, trips over it.

#include <filesystem>

#include "nacre/result.h"

namespace nacre::tools {

/// Whether `path` is a directory; false when nothing is there.
/// Errors: `not_found` (a symbolic link that leads nowhere), `invalid_argument` (a file; a name
/// that is too long), `io`.
Result<bool> names_directory(const std::filesystem::path& path);

/// That `path` is a directory.
/// Errors: as `names_directory`; `not_found` (nothing there).
Status check_is_directory(const std::filesystem::path& path);

/// That a log is in `path`, or may be put there: it is missing or empty, or holds nothing but what
/// nacre makes. The library puts a log beside anything; on the command line it is more likely that
/// the wrong directory was named.
/// Errors: as `names_directory`; `invalid_argument` (other files and no log).
Status check_may_hold_log(const std::filesystem::path& path);

}  // namespace nacre::tools
