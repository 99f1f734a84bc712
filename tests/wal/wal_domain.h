#pragma once

// The domains a log can run on here, for suites that hold on each of them.

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "nacre/wal.h"
#include "tests/support/temp_directory.h"

namespace nacre::test {

/// Block on an ordinary file system, emulated in memory, emulated on an ordinary file system.
enum class LogPlace { kBlock, kEmulatedInMemory, kEmulatedOnDisk };

inline std::string place_name(const testing::TestParamInfo<LogPlace>& info) {
  switch (info.param) {
    case LogPlace::kBlock:
      return "Block";
    case LogPlace::kEmulatedInMemory:
      return "EmulatedInMemory";
    case LogPlace::kEmulatedOnDisk:
      return "EmulatedOnDisk";
  }
  return "Unknown";
}

inline DomainRequest domain_of(LogPlace place) {
  return place == LogPlace::kBlock ? DomainRequest::kAuto : DomainRequest::kEmulated;
}

inline std::unique_ptr<TempDirectory> directory_for(LogPlace place) {
  if (place == LogPlace::kEmulatedInMemory) {
    // It can be neither copied nor moved.  NOLINTNEXTLINE(modernize-make-unique)
    return std::unique_ptr<TempDirectory>(new TempDirectory(TempDirectory::on_tmpfs()));
  }
  return std::make_unique<TempDirectory>();
}

}  // namespace nacre::test
