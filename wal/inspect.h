#pragma once

// Looking at a log without opening it: every checksum of a directory, every frame of a file. Takes
// no lock, writes nothing, and may stand beside a writer.

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <vector>

#include "mmap/segment_format.h"
#include "mmap/superblock.h"
#include "nacre/executor.h"
#include "nacre/file_system.h"
#include "nacre/result.h"
#include "nacre/wal.h"
#include "wal/recovery.h"
#include "wal/segment_scan.h"

namespace nacre::wal {

struct VerifyReport {
  Superblock superblock;
  RecoveryReport scanned;            ///< What recovery would find; `torn_tails` are no damage.
  std::vector<std::uint32_t> lanes;  ///< Those with segments, ascending.
  std::uint64_t free_segments = 0;
  std::uint64_t damaged_slots = 0;  ///< Header slots torn by a crash; the other slot stands.
  std::vector<Error> damage;        ///< What keeps the log from being opened; empty when sound.
};

/// Checks superblock, lane registry, every header, and every frame of every segment, and calls
/// `on_scanned`, where there is one, after each segment. Beside a busy writer it looks again, from
/// the beginning.
/// Errors: `not_found` (no log there), `corruption`, `unsupported`, `io`: the log cannot be looked
/// at at all; `busy`: a writer changed it during each of several looks.
Result<VerifyReport> verify_lanes(FileSystem& file_system, Executor& executor,
                                  const std::filesystem::path& directory,
                                  const OnScanned& on_scanned = {});

struct SegmentInspection {
  std::uint64_t file_bytes = 0;
  std::array<DecodedSlot, 2> slots;
  DecodedHeader header;  ///< The slot that counts.
  SegmentScan scan;      ///< Where the frames end, and why.
  TailSearch tail;       ///< What lies behind their end.
};

/// Reads one segment file by itself; `visit` sees its frames in order, pads and resumes included,
/// and stops the walk by returning false.
/// Errors: `not_found`, `corruption` (no valid header), `unsupported`, `io`.
Result<SegmentInspection> inspect_segment(FileSystem& file_system,
                                          const std::filesystem::path& path,
                                          const std::function<bool(const FrameRead&)>& visit);

}  // namespace nacre::wal
