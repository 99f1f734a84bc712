#pragma once

// Bits that went wrong on the imagined media: they read wrong again and again, until rewritten.
//
// Thread safety: every member may be called from any thread.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>

#include "lib/base/thread_annotations.h"

namespace nacre {

class MediaRot {
 public:
  void strike(const std::filesystem::path& path, std::uint64_t offset, std::uint8_t mask);
  /// Spoils what was read from `offset` on.
  void apply(const std::filesystem::path& path, std::uint64_t offset, std::span<std::byte> read);
  /// [offset, offset + bytes) was rewritten.
  void heal(const std::filesystem::path& path, std::uint64_t offset, std::uint64_t bytes);
  /// `path`, or all that lies below it, has gone.
  void remove(const std::filesystem::path& path);
  void rename(const std::filesystem::path& from, const std::filesystem::path& to);

 private:
  using Bytes = std::map<std::uint64_t, std::uint8_t>;

  Mutex mutex_;
  std::map<std::string, Bytes> files_ GUARDED_BY(mutex_);
};

}  // namespace nacre
