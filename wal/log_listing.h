#pragma once

// What the segment files of a log directory say to somebody who stands beside its writer: by their
// headers alone, with no lock and no write.
//
// Thread safety: pure functions of the files.

#include <cstdint>
#include <filesystem>
#include <set>
#include <vector>

#include "mmap/segment_format.h"
#include "nacre/file_system.h"
#include "nacre/result.h"
#include "nacre/types.h"

namespace nacre::wal {

struct LogLocation {
  std::filesystem::path directory;
  Uuid log_uuid;

  std::filesystem::path segment_path(SegmentId id) const;
};

struct LogListing {
  std::set<std::uint32_t> started;     ///< The lanes that have begun.
  std::vector<SegmentState> segments;  ///< Of all lanes, and free ones, in no order.
};

/// The headers of all segment files. One that disappears meanwhile is left out.
/// Errors: `corruption`, `unsupported`, `io`.
Result<LogListing> list_log(FileSystem& file_system, const LogLocation& log);

/// The segments of one lane, oldest first, all from the oldest it still needs to the newest; none
/// when it has not begun. Begins with `first_look`, and looks again while a writer that goes on
/// makes what it sees inconsistent.
/// Errors: `corruption` (a segment is missing), `busy` (the lane changed from look to look); as
/// `list_log`.
Result<std::vector<SegmentState>> find_lane(FileSystem& file_system, const LogLocation& log,
                                            std::uint32_t lane, const LogListing& first_look);

}  // namespace nacre::wal
