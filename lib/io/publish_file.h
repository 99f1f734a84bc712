#pragma once

// Files that appear whole: allocated, written, synced and only then given their name.

#include <filesystem>
#include <vector>

#include "lib/io/io_scheduler.h"
#include "nacre/io.h"

namespace nacre {

struct FilePublication {
  const IoFile* file = nullptr;  ///< Empty, open for writing at `temporary`.
  std::filesystem::path temporary = {};
  /// In the same directory; what has this name is replaced.
  std::filesystem::path target = {};
  std::vector<IoBuffer> content = {};  ///< From the beginning of the file on.
  IoClass io_class = IoClass::kFlush;
  std::uint64_t timeout_ns = 0;  ///< For all of it; 0 for none.
};

/// At most so many buffers, and so deep the backend at least, for `publish_file`.
inline constexpr std::size_t kMaxPublishedBuffers = 1024;
inline constexpr std::size_t kPublishSteps = 5;

/// Has a file written and named, and `done` called with its buffers.
/// Durability: content and name are durable on success. After an error the temporary file has been
/// removed and the target is what it was; only when the sync of the directory failed, or was called
/// back or timed out, is it the file published, whole, and may be the old one again after a power
/// cut. Errors, given to `done`: `no_space`, `io`, `cancelled`, `timed_out`, `closed`.
IoTicket publish_file(IoScheduler& scheduler, FilePublication publication, IoCallback done);

}  // namespace nacre
