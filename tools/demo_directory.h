#pragma once

// The place of a demo's files: fresh at each run, and never somebody else's.

#include <filesystem>
#include <memory>
#include <string>

#include "nacre/file_system.h"
#include "nacre/pmem.h"
#include "nacre/result.h"

namespace nacre::tools {

struct DemoDirectory {
  std::filesystem::path path;
  std::filesystem::path log;    ///< The log's directory, which is not there yet.
  std::filesystem::path stats;  ///< See WriterStats.
  /// Holds the lock that keeps another demo out.
  std::unique_ptr<File> marker;
};

/// Makes `wanted` fresh, or with "" a directory `nacre-demo` in the first of ./build, $TMPDIR,
/// /var/tmp and . where `request` can be had. A directory with content is emptied when an earlier
/// demo has left its mark there, and refused otherwise.
/// Errors: `invalid_argument` (not empty), `busy` (another demo runs there), `unsupported`, `io`.
Result<DemoDirectory> prepare_demo_directory(const std::string& wanted, DomainRequest request);

}  // namespace nacre::tools
