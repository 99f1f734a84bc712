#pragma once

// What has been acknowledged to each writer of a workload, in a file that no power cut reaches: on
// the host. One 8-byte number for each writer; each is written by one system call.
//
// Thread safety: different writers may note at the same time.

#include <cstdint>
#include <filesystem>

#include "nacre/result.h"

namespace nacre::test {

class CutLedger {
 public:
  /// Creates the file when there is none: then nothing has been acknowledged.
  static Result<CutLedger> open(const std::filesystem::path& path);
  CutLedger(CutLedger&& other) noexcept;
  CutLedger& operator=(CutLedger&&) = delete;
  ~CutLedger();

  /// Everything of `writer` below `sequence` is acknowledged.
  Status note(std::uint32_t writer, std::uint64_t sequence);
  Result<std::uint64_t> acknowledged(std::uint32_t writer) const;

 private:
  explicit CutLedger(int descriptor) noexcept : descriptor_(descriptor) {}
  int descriptor_;
};

}  // namespace nacre::test
