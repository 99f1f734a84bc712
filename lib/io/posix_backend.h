#pragma once

// The engine for where io_uring is missing, forbidden or unwanted: a bounded pool of threads over
// the File and FileSystem seams, so that it works with every implementation of those.
//
// Thread safety: as IoBackend.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "lib/io/forked_requests.h"
#include "lib/io/posix_pool.h"
#include "nacre/file_system.h"
#include "nacre/io.h"

namespace nacre {

class PosixBackend final : public IoBackend {
 public:
  struct Options {
    std::size_t depth = 128;
    /// At most; 0 has every operation run inside `reap`.
    std::size_t threads = 4;
    /// Why this engine; a sentence.
    std::string reason = {};
  };

  PosixBackend(FileSystem& file_system, const Options& options);
  ~PosixBackend() override;
  PosixBackend(const PosixBackend&) = delete;
  PosixBackend& operator=(const PosixBackend&) = delete;

  void submit(std::span<IoOperation* const> operations, bool reap_follows) override;
  std::size_t reap(std::span<IoOperation*> ended, std::uint64_t wait_ns) override;
  void wake() noexcept override;
  void cancel(IoOperation& operation) override;
  std::size_t depth() const noexcept override { return depth_; }
  const IoBackendInfo& info() const noexcept override { return info_; }
  /// A call ends before the files of its process are closed.
  bool holds(const IoFile& /*file*/) override { return true; }

 private:
  const std::size_t depth_;
  IoBackendInfo info_;
  ForkedRequests forked_;
  std::unique_ptr<PosixPool> pool_;
};

}  // namespace nacre
