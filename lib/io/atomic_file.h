#pragma once

// Small files that are replaced as a whole: a reader, also after a power cut, finds the old content
// or the new one, never a mixture.

#include <cstddef>
#include <filesystem>
#include <vector>

#include "nacre/file_system.h"
#include "nacre/result.h"
#include "nacre/types.h"

namespace nacre {

/// Writes `bytes` to `path` through a temporary file beside it.
/// Durability: content and name are durable on success; after an error the old content stands.
/// Errors: `no_space`, `io`.
Status write_file_atomically(FileSystem& file_system, const std::filesystem::path& path,
                             Bytes bytes);

/// All of `path`, which must not be longer than `limit_bytes`.
/// Errors: `not_found`, `corruption` (longer than the limit), `io`.
Result<std::vector<std::byte>> read_whole_file(FileSystem& file_system,
                                               const std::filesystem::path& path,
                                               std::size_t limit_bytes);

}  // namespace nacre
