#pragma once

// What can still be read of a store's log when some of it is damaged: every frame whose checksum
// holds, also behind damage. Takes no lock and writes nothing.
//
// A torn tail, which was never acknowledged, is no loss, and what stands behind it is not shown:
// opening the store would cut it off.
//
// Thread safety: pure functions of the files.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "mmap/segment_format.h"
#include "nacre/file_system.h"
#include "nacre/result.h"
#include "nacre/store_repair.h"
#include "nacre/types.h"

namespace nacre::store {

struct SalvagedSegment {
  std::filesystem::path path;
  SegmentState state;
};

struct SalvagedLog {
  Uuid uuid;
  std::uint64_t segment_bytes = 0;
  bool has_superblock = true;
  /// The segments that each lane still needs, oldest first, as far as they are there.
  std::map<std::uint32_t, std::vector<SalvagedSegment>> lanes;
  /// Nothing but what is in segments may be lost of the manifest.
  bool manifest_is_there = true;
};

/// Looks at the superblock and at the headers of all segments of the store in `directory`; what is
/// damaged or missing is added to `losses`.
/// Errors: `not_found` (no store is there), `invalid_argument` (a log of another kind),
/// `unsupported` (a newer format).
Result<SalvagedLog> survey_log(FileSystem& file_system, const std::filesystem::path& directory,
                               std::vector<RepairLoss>& losses);

/// Calls `visit` for each record of a segment, in order. `payload` is valid during the call, and,
/// as all of the segment is in memory, until `done` has been called behind the last.
/// Errors: those of `visit` and `done`.
Status read_salvaged(FileSystem& file_system, const SalvagedSegment& segment,
                     std::vector<RepairLoss>& losses,
                     const std::function<Status(Lsn lsn, Bytes payload)>& visit,
                     const std::function<Status()>& done);

}  // namespace nacre::store
