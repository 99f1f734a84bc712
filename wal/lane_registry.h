#pragma once

// The file that says which lanes have ever had a segment, so that a missing segment is told from a
// lane that never began. Implements docs/format/lanes.md.
//
// Thread safety: `note_started` may be called from any thread.

#include <cstdint>
#include <filesystem>
#include <set>
#include <string_view>

#include "lib/base/thread_annotations.h"
#include "nacre/file_system.h"
#include "nacre/result.h"
#include "nacre/types.h"

namespace nacre::wal {

inline constexpr std::uint32_t kLanesFormatVersion = 1;
inline constexpr std::string_view kLanesName = "LANES";

/// Errors: `not_found`, `corruption`, `unsupported`, `io`.
Result<std::set<std::uint32_t>> read_started_lanes(FileSystem& file_system,
                                                   const std::filesystem::path& directory,
                                                   const Uuid& log_uuid);
/// Durability: durable on success.
Status write_started_lanes(FileSystem& file_system, const std::filesystem::path& directory,
                           const Uuid& log_uuid, const std::set<std::uint32_t>& lanes);

class LaneRegistry {
 public:
  LaneRegistry(FileSystem& file_system, std::filesystem::path directory, Uuid log_uuid,
               std::set<std::uint32_t> started)
      : file_system_(file_system),
        directory_(std::move(directory)),
        log_uuid_(log_uuid),
        started_(std::move(started)) {}

  /// Durability: durable on success. Errors: `no_space`, `io`.
  Status note_started(std::uint32_t lane);

 private:
  FileSystem& file_system_;
  const std::filesystem::path directory_;
  const Uuid log_uuid_;
  Mutex mutex_;
  std::set<std::uint32_t> started_ GUARDED_BY(mutex_);
};

}  // namespace nacre::wal
