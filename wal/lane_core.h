#pragma once

// The one append primitive of nacre: a single-writer log over segments. What the public Lane and
// Partition stand on.
//
// In the memory domains an append is: build the frame, stream it, one fence. In the block domain
// frames collect in the image; whoever waits first leads: it seals the blocks that hold what has
// collected, writes them with one device write, and wakes the others, the first of which leads
// the next batch. Tickets nobody waits for are driven by a background task.
//
// Thread safety: one writer at a time enqueues and claims; every
// other member may be called from any thread. Lock order: docs/architecture.md.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <thread>
#include <vector>

#include "lib/base/thread_annotations.h"
#include "lib/io/fork_guard.h"
#include "mmap/segment_pool.h"
#include "nacre/clock.h"
#include "nacre/executor.h"
#include "nacre/result.h"
#include "nacre/wal.h"
#include "wal/lane_segments.h"
#include "wal/log_metrics.h"
#include "wal/lsn_clock.h"
#include "wal/record_format.h"

namespace nacre::wal {

/// What recovery found of a lane.
struct RecoveredLane {
  std::vector<std::shared_ptr<LaneSegment>> segments;  ///< Oldest first; the newest may be active.
  std::uint64_t first_lane_sequence = 0;
  Lsn last_lsn;
};

/// One entry of a batch: `prefix` and `payload` make up the record.
struct BatchPart {
  Bytes prefix;
  Bytes payload;
};

/// `closed`: what a forked child is told.
Error in_forked_child();

class LaneCore {
 public:
  struct Options {
    std::uint32_t lane = 0;
    bool synchronous = true;          ///< The domain's; see pmem::Region::synchronous.
    bool survives_power_loss = true;  ///< The domain's.
    std::size_t commit_granule = kFrameAlignment;
    std::uint64_t segment_bytes = 0;
    /// Both borrowed.
    Clock* clock = nullptr;
    LogMetrics* metrics = nullptr;
    /// Borrowed; null where nobody forks. A forked child is refused.
    const ForkGuard* fork_guard = nullptr;
    /// The clock shared with other lanes; null for consecutive LSNs of this lane's own.
    LsnClock* lsn_clock = nullptr;
    /// Called once in the lane's life, after its first segment is durable and before anything in it
    /// is acknowledged.
    std::function<Status(std::uint32_t lane)> on_started;
  };

  /// `pool` and `executor` are borrowed and outlive the lane. The segments of `recovered` hold
  /// nothing but valid frames up to their `durable_end`.
  LaneCore(SegmentPool& pool, Executor& executor, Options options, RecoveredLane recovered);
  ~LaneCore();
  LaneCore(const LaneCore&) = delete;
  LaneCore& operator=(const LaneCore&) = delete;

  /// Takes the record `prefix` + `payload` for a caller who will `wait` for it. In the memory
  /// domains it is durable on return. Errors: as nacre::Lane::append.
  Result<Lsn> enqueue(Bytes prefix, Bytes payload, std::uint16_t tag);
  /// All `parts` or none; returns the LSN of the last.
  Result<Lsn> enqueue_batch(std::span<const BatchPart> parts, std::uint16_t tag);
  /// For a caller who may not wait: has what was taken made durable in the background.
  void drive_pending();

  /// `enqueue` and `wait`.
  Result<Lsn> append(Bytes prefix, Bytes payload, std::uint16_t tag);

  Status wait(Lsn lsn);
  void on_durable(Lsn lsn, DurableCallback callback);
  Lsn durable_lsn() const noexcept { return Lsn{durable_lsn_.load(std::memory_order_acquire)}; }

  /// Space for a record of `prefix_bytes` + up to `bytes` bytes; returns the latter part. The claim
  /// stays open until `enqueue_claim` or `abandon_claim`.
  Result<std::span<std::byte>> open_claim(std::size_t prefix_bytes, std::size_t bytes);
  /// As `enqueue`, with the first `bytes` of the claim as payload.
  Result<Lsn> enqueue_claim(Bytes prefix, std::size_t bytes, std::uint16_t tag);
  void abandon_claim() noexcept;
  /// By the writer, as an append.
  bool claim_open();
  /// Gives up records below `lsn`, by whole segments.
  Status truncate(Lsn lsn);
  /// LSN from which on records are still there: the oldest segment's base.
  Lsn first_lsn() const;

  /// From now on writes fail with `closed`. By the writer, as an append.
  void refuse_writes();
  /// Refuses writes, drains, marks the active segment as cleanly closed. Waits for callbacks.
  Status close();

  const LaneSegments& segments() const noexcept { return segments_; }
  /// Whether this process was forked from the one that opened the log.
  bool in_child() const noexcept {
    return options_.fork_guard != nullptr && options_.fork_guard->in_child();
  }
  std::size_t max_payload() const noexcept { return max_payload_; }
  std::uint32_t lane() const noexcept { return options_.lane; }

 private:
  // lane_core.cc: frames.
  Result<Lsn> put_record(Bytes prefix, Bytes payload, std::uint16_t tag);
  Result<Lsn> put_batch(std::span<const BatchPart> parts, std::uint16_t tag);
  void put_frame(const FrameFields& fields, Bytes prefix, Bytes payload) noexcept;
  /// Computes the checksum and streams header, prefix and the first `payload_bytes` of `payload`.
  void put_head(const FrameFields& fields, Bytes prefix, Bytes payload,
                std::size_t payload_bytes) noexcept;
  void put_control_frame(FrameKind kind, std::size_t offset, std::size_t payload_bytes,
                         Bytes payload) noexcept;
  Lsn take_lsns(std::uint64_t count) noexcept;
  void advance(std::size_t frame, Lsn last) noexcept;
  Lsn known_durable(Lsn next) const noexcept;
  Status check_size(std::size_t bytes) const;
  /// As `rotate`: with `mutex_` held in the block domain.
  Result<std::span<std::byte>> begin_claim(std::size_t prefix_bytes,
                                           std::size_t bytes) NO_THREAD_SAFETY_ANALYSIS;
  Result<Lsn> finish_claim(Bytes prefix, std::size_t bytes, std::uint16_t tag);

  // lane_rotation.cc: segments.
  Status make_room(std::size_t frame);
  Status check_usable() const;  // Neither poisoned nor closed, nor in a forked child.
  Status check_open() const;    // Nor held by a claim.
  Status start_writing();
  Status resume();
  /// In the block domain with `mutex_` held, which the analysis cannot know: the memory domains
  /// have a single writer instead.
  Status rotate() NO_THREAD_SAFETY_ANALYSIS;
  Status seal_active(SegmentId next) REQUIRES(header_mutex_);
  Status activate(std::shared_ptr<Segment> fresh) REQUIRES(header_mutex_);
  void poison(const Error& error) noexcept;

  // lane_commit.cc: group commit, in the block domain.
  void drain() REQUIRES(mutex_);
  void lead() REQUIRES(mutex_);
  void seal_blocks() noexcept REQUIRES(mutex_);
  bool pending() const noexcept { return flush_begin_ < tail_; }
  void schedule_drive() REQUIRES(mutex_);
  void drive();
  void run_callbacks() EXCLUDES(mutex_);
  Lsn newest_lsn() EXCLUDES(mutex_);

  SegmentPool& pool_;
  const Options options_;
  const std::size_t max_payload_;

  // The writer's state. In the memory domains it belongs to the single writer; in the block domain
  // to whoever holds `mutex_`.
  pmem::Region* region_ = nullptr;
  std::size_t tail_ = 0;
  std::size_t limit_ = 0;  // Appends beyond it go through make_room, which knows why.
  std::size_t next_index_offset_ = 0;
  std::uint32_t seed_ = 0;
  bool claim_open_ = false;
  bool noted_ = false;            // `on_started` was called; nothing is acknowledged before.
  bool writing_started_ = false;  // The clean mark is gone and the tail is where frames may go.
  bool exhausted_ = false;        // The active segment takes no more, whatever room it has.
  std::atomic<bool> closed_{false};
  std::size_t claim_prefix_bytes_ = 0;
  std::size_t claim_bytes_ = 0;
  Lsn last_lsn_;
  std::shared_ptr<LaneSegment> active_;
  std::optional<Error> error_;
  std::vector<std::byte> scratch_;
  std::size_t flush_begin_ = 0;  // What lies from here to `tail_` waits for a device write.

  std::atomic<std::uint64_t> durable_lsn_{0};
  LaneSegments segments_;

  /// Guards the headers of the lane's segments against truncation beside the writer.
  Mutex header_mutex_;
  std::uint64_t first_lane_sequence_ GUARDED_BY(header_mutex_) = 0;

  Mutex mutex_;
  CondVar changed_;
  bool device_busy_ GUARDED_BY(mutex_) = false;
  bool driving_ GUARDED_BY(mutex_) = false;
  bool running_callbacks_ GUARDED_BY(mutex_) = false;
  std::thread::id callback_thread_ GUARDED_BY(mutex_);  // Of the last that ran any.
  std::size_t waiters_ GUARDED_BY(mutex_) = 0;
  std::multimap<std::uint64_t, DurableCallback> callbacks_ GUARDED_BY(mutex_);
  TaskGroup background_;  // Last, so that its tasks end before what they use.
};

}  // namespace nacre::wal
