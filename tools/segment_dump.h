#pragma once

// A segment file for a person: both header slots, every frame, and why the frames end.

#include <cstdint>
#include <filesystem>
#include <limits>

#include "nacre/file_system.h"
#include "nacre/result.h"
#include "tools/command.h"

namespace nacre::tools {

struct SegmentDumpOptions {
  std::uint64_t count = std::numeric_limits<std::uint64_t>::max();  ///< Frames to show.
  bool json = false;
};

/// True when one of the two places of a header slot begins as a segment's does, or when the name
/// ends as a segment's does.
Result<bool> looks_like_segment(FileSystem& file_system, const std::filesystem::path& path);

/// Prints to standard output. Damage when a sealed or cleanly closed segment does not hold what its
/// header says, or a frame behind the end proves that acknowledged bytes have rotted.
/// Errors: as `wal::inspect_segment`; those of writing the output.
Result<ExitCode> dump_segment(FileSystem& file_system, const std::filesystem::path& path,
                              const SegmentDumpOptions& options);

}  // namespace nacre::tools
