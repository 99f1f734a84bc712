#pragma once

// The segment files of one log directory: found at open, made ready in advance, taken by lanes,
// given back and recycled under a new generation.
//
// Making a file: a temporary name; preallocated and written with zeros, so that the append path
// meets neither page faults nor extent conversion; a header that says "free"; synced; renamed; the
// directory synced. So a file with a segment's name always has a valid header.
//
// Thread safety: every member may be called from any thread. The pool outlives its segments.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <vector>

#include "lib/base/thread_annotations.h"
#include "lib/io/fork_guard.h"
#include "mmap/file_view.h"
#include "mmap/segment.h"
#include "mmap/segment_format.h"
#include "nacre/executor.h"
#include "nacre/file_system.h"
#include "nacre/pmem.h"
#include "nacre/result.h"

namespace nacre {

/// At most so many given-back segments are kept for recycling; further ones are deleted.
inline constexpr std::size_t kMaxFreeSegments = 16;

/// A segment file as the directory shows it.
struct FoundSegment {
  SegmentState state;
  std::size_t slot = 0;
};

/// Reads and checks the header of one segment file: magic, checksum, version, size, identity.
/// Errors: `corruption`, `unsupported`, `not_found`, `io`; each names the file.
Result<DecodedHeader> read_segment_header(FileSystem& file_system,
                                          const std::filesystem::path& path);
/// The same of a file that is open.
Result<DecodedHeader> read_segment_header(File& file);

/// The id in a segment's file name, or 0 when `name` is not one.
SegmentId segment_id_of(std::string_view name) noexcept;
std::string segment_file_name(SegmentId id);

class SegmentPool {
 public:
  struct Options {
    std::filesystem::path directory;  ///< Where the segment files lie; exists.
    Uuid log_uuid;
    std::uint64_t segment_bytes = 0;
    std::size_t spare_segments = 0;
    /// Asked before anything is made, opened for writing or removed by name: whether `directory` is
    /// still the log's. May be empty.
    std::function<Status()> check_place = {};
    /// Borrowed; may be null. In a forked child nothing is written.
    const ForkGuard* fork_guard = nullptr;
  };

  /// The seams are borrowed and outlive the pool. Without a `domain` nothing can be written, only
  /// looked at.
  SegmentPool(FileSystem& file_system, pmem::Domain* domain, Executor& executor, Options options);
  /// Waits for what is being prepared.
  ~SegmentPool();
  SegmentPool(const SegmentPool&) = delete;
  SegmentPool& operator=(const SegmentPool&) = delete;

  /// Reads the headers of all segment files; changes nothing. Call once, first. What is wrong with
  /// single files (`corruption` of header, size or identity, `unsupported`, `io`) goes to
  /// `problems`.
  /// Errors: `io`, `not_found` (the directory).
  Result<std::vector<FoundSegment>> find_segments(std::vector<Error>& problems);

  /// Removes what an interrupted creation left, and takes over the free segments of `found`.
  /// Errors: `io`.
  Status adopt(const std::vector<FoundSegment>& found);

  /// A found segment that belongs to a lane.
  std::shared_ptr<Segment> open(const FoundSegment& found);

  /// A free segment, mapped for writing; made now when none is ready.
  /// Errors: `no_space`, `io`, `unsupported`.
  Result<std::shared_ptr<Segment>> take();

  /// Has a missing spare segment made in the background, and the next one to be taken mapped. A
  /// failure there shows up in `take`.
  void prepare();

  /// Returns when nothing is being prepared.
  void wait_idle() { background_.wait(); }

  // For Segment.
  std::filesystem::path segment_path(SegmentId id) const;
  Result<std::unique_ptr<pmem::Region>> map_file(SegmentId id, std::size_t bytes,
                                                 pmem::MapContent content);
  Result<std::shared_ptr<const FileView>> view_file(SegmentId id, ViewAccess access);
  Status sync_file(SegmentId id);
  bool survives_power_loss() const noexcept;
  bool in_child() const noexcept {
    return options_.fork_guard != nullptr && options_.fork_guard->in_child();
  }
  /// Lets `region` go in the background: unmapping tens of megabytes takes milliseconds.
  void let_go(std::shared_ptr<pmem::Region> region);
  /// Takes over a segment whose header says "free", durably when `settled`; `region` may be null.
  void give_back(const SegmentState& state, std::size_t slot, bool settled,
                 std::shared_ptr<pmem::Region> region);

 private:
  struct FreeSegment {
    SegmentState state;
    std::size_t slot = 0;
    bool settled = false;
    std::shared_ptr<pmem::Region> region;
  };

  Result<FoundSegment> examine_file(const std::string& name, SegmentId id);
  Result<FreeSegment> create();
  Status fill(const std::filesystem::path& path, const SegmentState& state);
  SegmentId next_id();
  Status check_place() const { return options_.check_place ? options_.check_place() : Status(); }

  FileSystem& file_system_;
  pmem::Domain* const domain_;
  const Options options_;

  Mutex mutex_;
  std::vector<FreeSegment> free_ GUARDED_BY(mutex_);
  std::size_t preparing_ GUARDED_BY(mutex_) = 0;
  std::uint64_t last_id_ GUARDED_BY(mutex_) = 0;
  TaskGroup background_;  // Last, so that its tasks end before what they use.
};

}  // namespace nacre
