#pragma once

// A scheduler over POSIX calls, and a file for its requests.

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "lib/io/io_scheduler.h"
#include "lib/io/posix_backend.h"
#include "tests/support/temp_directory.h"

namespace nacre::test {

class IoSchedulerFixture : public testing::Test {
 protected:
  IoRequest transfer(IoKind kind, std::uint64_t offset, std::span<std::byte> memory) {
    IoRequest request;
    request.kind = kind;
    request.io_class = IoClass::kLog;
    request.file = &io_file_;
    request.offset = offset;
    request.buffers.push_back(IoBuffer::borrow(memory));
    return request;
  }

  PosixFileSystem files_;
  SystemClock clock_;
  TempDirectory directory_;
  IoScheduler scheduler_{
      std::make_unique<PosixBackend>(files_, PosixBackend::Options{.depth = 8, .threads = 2}),
      clock_};
  std::unique_ptr<File> file_ =
      files_.open(directory_.path() / "a", {.writable = true, .create = true}).value();
  IoFile io_file_{scheduler_.backend(), *file_};
};

}  // namespace nacre::test
