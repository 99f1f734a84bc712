#pragma once

// The contenders of append/*: records appended to memory, each durable in the sense of a machine
// whose memory is persistent. Each goes round in the same amount of memory.

#include <cstddef>
#include <memory>

#include "bench/harness.h"
#include "bench/nt_store.h"
#include "bench/published_logs.h"
#include "bench/scratch.h"
#include "bench/workload.h"

namespace nacre::bench {

/// A quick run sets up smaller files; both sizes are far beyond the second cache level.
inline std::size_t append_segment_bytes(const Setting& setting) noexcept {
  return std::size_t{setting.quick ? 16U : 64U} << 20;
}
/// The active segment, the one before it, and a spare: the memory nacre's log goes round in when it
/// is truncated as a store does, and what every other contender goes round in too.
inline std::size_t append_span_bytes(const Setting& setting) noexcept {
  return 3 * append_segment_bytes(setting);
}

/// Payloads and a file in memory to append them to.
struct MemoryFile {
  ScratchDirectory directory;
  MappedFile file;
  Payloads payloads;
  /// Errors: `io`, `no_space`.
  static Result<MemoryFile> create(const Setting& setting, std::size_t payload_bytes);
};

/// The floor for records of `payload_bytes` bytes.
struct MemoryFloor {
  MemoryFile memory;
  FloorLoop loop;
  static Result<std::unique_ptr<MemoryFloor>> create(const Setting& setting,
                                                     std::size_t payload_bytes);
};

std::string floor_tuning(const Setting& setting);
Contender floor_append(const Setting& setting, std::size_t payload_bytes);
Contender libpmemlog_append(const Setting& setting, std::size_t payload_bytes);
Contender classic_append(const Setting& setting, std::size_t payload_bytes, WriteForm form);
Contender zero_append(const Setting& setting, std::size_t payload_bytes, WriteForm form);

}  // namespace nacre::bench
