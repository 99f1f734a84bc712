#pragma once

// What the regions of a block domain share: the queue in front of the device, and memory for
// images that are not in use.
//
// Thread safety: every member may be called from any thread.

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "lib/base/thread_annotations.h"
#include "lib/io/io_scheduler.h"
#include "nacre/clock.h"
#include "nacre/io.h"
#include "nacre/pmem.h"
#include "nacre/result.h"
#include "pmem/anonymous_memory.h"

namespace nacre::pmem {

/// A region's bytes in DRAM.
class BlockImage {
 public:
  explicit BlockImage(AnonymousMemory memory) noexcept : memory_(std::move(memory)) {}

  std::byte* data() const noexcept { return memory_.data(); }
  std::size_t size() const noexcept { return memory_.size(); }
  /// For IoBuffer. Thread safety: one thread at a time calls `settle_in`, and none of the others
  /// meanwhile.
  int slot() const noexcept { return registration_.has_value() ? registration_->slot() : -1; }

  /// Brings all pages in and makes them known to `backend`.
  void settle_in(IoBackend& backend);

 private:
  AnonymousMemory memory_;
  std::optional<IoMemory> registration_;
};

class BlockDevice {
 public:
  BlockDevice(std::shared_ptr<IoBackend> backend, const BlockIo& io);

  IoScheduler& scheduler() noexcept { return scheduler_; }
  void begin(IoRequest request, CommitDriver driver, IoCallback done);
  /// As `begin`, of a request that has failed already: told like all others, by whoever drives.
  void fail(IoRequest request, const Error& error, CommitDriver driver, IoCallback done);

  /// As Domain::hold and let_go.
  Status hold(File& lock);
  void let_go(File& lock) noexcept;

  /// An image of `bytes` bytes, of any content. `path` is the file it is for, and stands in the
  /// error. Errors: `no_space`.
  Result<std::unique_ptr<BlockImage>> take_image(std::size_t bytes, const std::string& path);
  /// Keeps the large one that came last for the next who asks: its pages are there already, and
  /// zeroing others would take a processor for milliseconds.
  void give_back(std::unique_ptr<BlockImage> image);

 private:
  void attend(CommitDriver driver);

  SystemClock clock_;
  IoScheduler scheduler_;
  Mutex mutex_;
  std::unique_ptr<BlockImage> spare_ GUARDED_BY(mutex_);
  std::vector<std::unique_ptr<IoFile>> held_ GUARDED_BY(mutex_);
  std::optional<TaskGroup> background_;  // Last, so that its tasks end before what they use.
};

}  // namespace nacre::pmem
