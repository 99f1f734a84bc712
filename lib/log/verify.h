#pragma once

// Every checksum of a log directory, message log or WAL.

#include <filesystem>

#include "nacre/executor.h"
#include "nacre/file_system.h"
#include "nacre/result.h"
#include "wal/inspect.h"

namespace nacre {

/// `wal::verify_lanes`, and for a message log its catalog and what it says of the lanes.
/// Errors: as `wal::verify_lanes`.
Result<wal::VerifyReport> verify_directory(FileSystem& file_system, Executor& executor,
                                           const std::filesystem::path& directory,
                                           const wal::OnScanned& on_scanned = {});

}  // namespace nacre
