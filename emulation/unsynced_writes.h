#pragma once

// What files held before they were written to, until a sync: for syncs that lose those writes.
//
// Thread safety: every member may be called from any thread. The bytes come back right when no
// write to the same place is under way meanwhile.

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "emulation/fault_effects.h"
#include "lib/base/thread_annotations.h"
#include "nacre/file_system.h"

namespace nacre {

class UnsyncedWrites {
 public:
  /// So much of the past is kept of each file. What is older counts as written back, as a kernel
  /// does in time without being asked.
  static constexpr std::size_t kMaxBytesPerFile = std::size_t{64} << 20;

  /// [offset, offset + bytes) of `file` is about to be written.
  Status remember(File& file, std::uint64_t offset, std::size_t bytes) EXCLUDES(mutex_);
  /// That range has been written durably, so no sync can lose it any more.
  Status settle(File& file, std::uint64_t offset, std::size_t bytes) EXCLUDES(mutex_);
  /// All that was written to the file is durable, or the file is gone.
  void forget(const std::filesystem::path& path) EXCLUDES(mutex_);
  /// Puts back what was there, as far as the file still reaches.
  Status drop(File& file) EXCLUDES(mutex_);

 private:
  /// Aligned as O_DIRECT wants it.
  struct alignas(kFaultBlock) Block {
    std::array<std::byte, kFaultBlock> bytes;
  };
  struct Extent {
    std::uint64_t offset = 0;
    std::size_t bytes = 0;
    std::vector<Block> before = {};

    std::span<std::byte> span() noexcept { return {before.front().bytes.data(), bytes}; }
  };
  struct Past {
    std::vector<Extent> extents = {};  // In the order they were written in.
    std::size_t bytes = 0;
  };

  Mutex mutex_;
  std::map<std::string, Past> files_ GUARDED_BY(mutex_);
};

}  // namespace nacre
