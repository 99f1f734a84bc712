#pragma once

// What tests of a failing file system share: a WAL over a file system that fails as planned.

#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "nacre/emulation/fault_file_system.h"
#include "nacre/wal.h"
#include "tests/support/result_matchers.h"
#include "tests/wal/log_files.h"
#include "tests/wal/recovery_fixture.h"

namespace nacre::test {

class WalFaultFixture : public testing::TestWithParam<LogPlace> {
 protected:
  bool block() const { return GetParam() == LogPlace::kBlock; }
  std::filesystem::path log() const { return directory_->path() / "log"; }
  FaultPlan& plan() { return files_.plan(); }

  WalOptions options(std::uint32_t lanes = 1) {
    return {.lanes = lanes,
            .segment_bytes = kMinSegmentBytes,
            .spare_segments = 0,
            .domain = block() ? DomainRequest::kBlock : DomainRequest::kEmulated,
            .environment = {.file_system = &files_, .executor = &executor_}};
  }
  Result<Wal> open() { return Wal::open(log(), options()); }

  static std::vector<std::string> contents(const Wal& wal) {
    std::vector<std::string> all;
    EXPECT_OK(wal.replay([&](std::uint32_t, const RecordView& record) {
      all.emplace_back(as_text(record.payload));
      return Status();
    }));
    return all;
  }
  static void append(Wal& wal, std::uint64_t first, std::uint64_t last, std::size_t bytes = 100) {
    for (std::uint64_t i = first; i <= last; ++i) {
      ASSERT_OK(wal.lane(0).append(as_bytes(text_of(i, bytes))));
    }
  }
  /// Appends records of 3000 bytes until one fails; returns how many did not.
  static std::uint64_t append_until_refused(Wal& wal, std::optional<Error>& refused) {
    for (std::uint64_t i = 1; i < 1000; ++i) {
      const auto appended = wal.lane(0).append(as_bytes(text_of(i, 3000)));
      if (appended) continue;
      refused = appended.error();
      return i - 1;
    }
    return 0;
  }

  std::unique_ptr<TempDirectory> directory_ = directory_for(GetParam());
  PosixFileSystem posix_;
  FaultFileSystem files_{posix_};
  DeterministicExecutor executor_{3};
};

}  // namespace nacre::test
