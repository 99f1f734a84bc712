#pragma once

// One segment file in use: its header, and its bytes for whoever writes or reads them.
//
// Thread safety: `pin` may be called from any thread; everything else by the lane that owns the
// segment, one thread at a time. The file is given back to the pool when a retired segment is let
// go by its last holder, so that a reader never sees a recycled byte.

#include <atomic>
#include <cstddef>
#include <filesystem>
#include <memory>

#include "lib/base/thread_annotations.h"
#include "mmap/file_view.h"
#include "mmap/segment_format.h"
#include "nacre/pmem.h"
#include "nacre/result.h"
#include "nacre/types.h"

namespace nacre {

class Segment;
class SegmentPool;

/// Bytes of a segment that stay where they are as long as this object lives.
struct SegmentPin {
  std::shared_ptr<Segment> segment;
  std::shared_ptr<const void> memory;
  Bytes bytes;
  bool present = false;  ///< Their pages are there, and need not be brought in.
};

class Segment : public std::enable_shared_from_this<Segment> {
 public:
  /// Made by the pool. `slot` is the header slot that holds `state`, durably when `settled`;
  /// `region` may be null.
  Segment(SegmentPool& pool, SegmentState state, std::size_t slot, bool settled,
          std::shared_ptr<pmem::Region> region);
  ~Segment();
  Segment(const Segment&) = delete;
  Segment& operator=(const Segment&) = delete;

  const SegmentState& state() const noexcept { return state_; }
  const std::filesystem::path& path() const noexcept { return path_; }

  /// What the owner writes through. Null until `map` and after `unmap`.
  pmem::Region* region() const noexcept { return writer_region_; }

  /// Maps the segment for writing, when it is not.
  /// Errors: `io`, `no_space`, `unsupported`.
  Status map(pmem::MapContent content);

  /// Lets the writer's memory go where it is a copy of the file (the block domain's image); pins
  /// keep theirs.
  void unmap_image();

  /// Writes `next` as the new header, in the slot that does not hold the current one; marked
  /// `unsynced` in a domain that does not survive power loss.
  /// Durability: durable on success; the old state stands after a crash inside.
  /// Errors: `io`, `no_space`.
  Status write_state(SegmentState next);

  /// Makes everything the file holds durable, whoever wrote it. Errors: `io`.
  Status sync_file();

  /// Makes the header durable, whoever wrote it. The slot that counts may have been read from a
  /// cache, the processor's or the device's, by which a writer that died had got it no further.
  /// Errors: `io`, `unsupported`.
  Status settle();

  /// Errors: `io`, `corruption` (the file was cut short).
  Result<SegmentPin> pin(ViewAccess access = ViewAccess::kOnDemand);

  /// Lets a mapping for reading go; pins keep theirs.
  void drop_view();

  /// Gives the file back to the pool when the last holder lets go.
  void retire() noexcept { retired_.store(true, std::memory_order_release); }

 private:
  Result<pmem::Region*> header_region();
  /// The slot at `begin` loses its checksum, durably, when it is neither valid nor blank.
  static void spoil_if_torn(pmem::Region& region, std::size_t begin);

  SegmentPool& pool_;
  SegmentState state_;
  std::size_t slot_;
  bool settled_;
  std::filesystem::path path_;
  std::atomic<bool> retired_{false};
  pmem::Region* writer_region_ = nullptr;
  std::unique_ptr<pmem::Region> header_only_;  // Maps the header when nothing else does.

  Mutex mutex_;
  std::shared_ptr<pmem::Region> region_ GUARDED_BY(mutex_);
  bool region_present_ GUARDED_BY(mutex_) = false;  // It was brought in as a whole.
  std::shared_ptr<const FileView> view_ GUARDED_BY(mutex_);
};

}  // namespace nacre
