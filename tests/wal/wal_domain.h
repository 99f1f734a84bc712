#pragma once

// The domains a log can run on here, for suites that hold on each of them.

#include <gtest/gtest.h>

#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

#include "nacre/wal.h"
#include "pmem/store_key.h"
#include "tests/support/temp_directory.h"

namespace nacre::test {

/// Block on an ordinary file system, emulated in memory, emulated on an ordinary file system, and
/// the last with overwrite protection.
enum class LogPlace { kBlock, kEmulatedInMemory, kEmulatedOnDisk, kProtected };

/// `places`, and kProtected where there are protection keys.
inline std::vector<LogPlace> and_protected(std::initializer_list<LogPlace> places) {
  std::vector<LogPlace> all(places);
  if (pmem::probe_store_keys().kernel) all.push_back(LogPlace::kProtected);
  return all;
}

inline std::string place_name(const testing::TestParamInfo<LogPlace>& info) {
  switch (info.param) {
    case LogPlace::kBlock:
      return "Block";
    case LogPlace::kEmulatedInMemory:
      return "EmulatedInMemory";
    case LogPlace::kEmulatedOnDisk:
      return "EmulatedOnDisk";
    case LogPlace::kProtected:
      return "Protected";
  }
  return "Unknown";
}

inline DomainRequest domain_of(LogPlace place) {
  return place == LogPlace::kBlock ? DomainRequest::kAuto : DomainRequest::kEmulated;
}

inline bool is_protected(LogPlace place) { return place == LogPlace::kProtected; }

inline std::unique_ptr<TempDirectory> directory_for(LogPlace place) {
  if (place == LogPlace::kEmulatedInMemory) {
    // It can be neither copied nor moved.  NOLINTNEXTLINE(modernize-make-unique)
    return std::unique_ptr<TempDirectory>(new TempDirectory(TempDirectory::on_tmpfs()));
  }
  return std::make_unique<TempDirectory>();
}

}  // namespace nacre::test
