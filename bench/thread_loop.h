#pragma once

// The floor of a POSIX backend: as many threads, each with a bare pread or pwrite after the other.

#include "bench/data_file.h"
#include "bench/transfer.h"

namespace nacre::bench {

/// `transfer.depth` threads, or the calling one alone when that is 1.
class ThreadLoop {
 public:
  /// Errors: `io`.
  static Result<std::unique_ptr<ThreadLoop>> open(const DataFile::Place& place,
                                                  const Transfer& transfer);
  ThreadLoop(const ThreadLoop&) = delete;
  ThreadLoop& operator=(const ThreadLoop&) = delete;

  /// Errors: `io`.
  Result<Sample> run(Nanoseconds slice);
  /// One transfer, by the calling thread. Errors: `io`.
  Status one(std::size_t thread);

 private:
  ThreadLoop(Descriptor file, const Transfer& transfer, std::size_t file_bytes)
      : file_(std::move(file)),
        transfer_(transfer),
        offsets_(transfer, file_bytes),
        buffers_(transfer) {}

  Descriptor file_;
  Transfer transfer_;
  Offsets offsets_;
  TransferBuffers buffers_;
};

}  // namespace nacre::bench
