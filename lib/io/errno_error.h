#pragma once

// What an errno of the kernel means to a user of nacre: the ErrorCode, and what to do about it.
// Shared by the kernel's files and by those that imitate their failures, so that both speak alike.

#include <filesystem>
#include <string_view>

#include "nacre/error.h"
#include "nacre/file_system.h"

namespace nacre {

/// The Error for `sys_errno` (not 0). `action` completes "cannot …", such as "write to the file".
Error error_from_errno(int sys_errno, std::string_view action, const std::filesystem::path& path);

/// As above for a failed open: here the same errno can mean something else, such as EINVAL, which
/// is how a file system refuses O_DIRECT.
Error open_error_from_errno(int sys_errno, const std::filesystem::path& path,
                            const OpenOptions& options);

}  // namespace nacre
