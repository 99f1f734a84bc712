#pragma once

// The one append primitive of nacre: a single-writer log over segments. What the public Lane and
// Partition stand on.
//
// In the memory domains an append is: build the frame, stream it, one fence. In the block domain
// frames collect in the image, in the open batch. A batch leaves as one device write, which seals
// its blocks; several may be under way, and the next leaves when one ends. They end in any order
// and become durable in the log's. Who waits for a record waits for its batch, and works on the
// device's queue meanwhile, unless another thread does so already.
//
// Thread safety: one writer at a time enqueues and claims; every
// other member may be called from any thread. Lock order: docs/architecture.md.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <limits>
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
  static constexpr std::size_t kMaxBatchesInFlight = 16;

  struct Options {
    std::uint32_t lane = 0;
    bool synchronous = true;          ///< The domain's; see pmem::Region::synchronous.
    bool survives_power_loss = true;  ///< The domain's.
    std::size_t commit_granule = kFrameAlignment;
    std::uint64_t segment_bytes = 0;
    std::size_t max_record_bytes = kMaxRecordBytes;  ///< At most kLargestPayloadBytes.
    /// Borrowed; its commits are driven through it.
    pmem::Domain* domain = nullptr;
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
  /// Where the record of `bytes` bytes lies that was enqueued last, and the segment that keeps it
  /// there while it is held. By the writer, in the memory domains, right after `enqueue`.
  Bytes newest_record(std::size_t bytes) const noexcept;
  const std::shared_ptr<LaneSegment>& newest_segment() const noexcept { return active_; }
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
  std::span<std::byte> claim_space(std::size_t prefix_bytes, std::size_t bytes);
  /// Puts the frame of `whole` bytes around the payload that was stored in its place.
  void complete_in_place(const FrameFields& fields, Bytes prefix, std::size_t whole) noexcept;
  Result<Lsn> finish_claim(Bytes prefix, std::size_t bytes, std::uint16_t tag);

  // lane_rotation.cc: segments.
  Status make_room(std::size_t frame);
  Status check_usable() const;  // Neither poisoned nor closed, nor in a forked child.
  Status check_open() const;    // Nor held by a claim.
  Status start_writing();
  Status resume();
  Status spoil_tail();
  /// In the block domain with `mutex_` held, which the analysis cannot know: the memory domains
  /// have a single writer instead.
  Status rotate() NO_THREAD_SAFETY_ANALYSIS;
  Result<std::shared_ptr<Segment>> take_segment() NO_THREAD_SAFETY_ANALYSIS;
  Status seal_active(SegmentId next) REQUIRES(header_mutex_);
  Status activate(std::shared_ptr<Segment> fresh) REQUIRES(header_mutex_);
  /// Returns what the lane answers from now on.
  Error poison(const Error& error) noexcept;

  // lane_commit.cc: group commit, in the block domain.
  struct Batch {
    std::size_t begin = 0;
    std::size_t end = 0;
    Lsn last;
    std::uint64_t begin_ns = 0;
    bool ended = false;
    bool failed = false;
  };
  static constexpr Lsn kEveryLsn{std::numeric_limits<std::uint64_t>::max()};
  using BatchWord = std::atomic<std::uint32_t>;

  void drain() REQUIRES(mutex_);
  void send_unattended() REQUIRES(mutex_);
  void drive() EXCLUDES(mutex_);
  void seal_blocks() noexcept REQUIRES(mutex_);
  bool pending() const noexcept { return flush_begin_ < tail_; }
  bool may_send() const noexcept REQUIRES(mutex_);
  void send_batch(pmem::CommitDriver driver) REQUIRES(mutex_);
  void batch_ended(std::uint64_t number, const Status& outcome) EXCLUDES(mutex_);
  void retire_batches() REQUIRES(mutex_);
  void send_next() REQUIRES(mutex_);
  std::uint64_t batch_of(Lsn lsn) const REQUIRES(mutex_);
  BatchWord& word_of(std::uint64_t number) noexcept { return words_[number % words_.size()]; }
  void await_batch(std::uint64_t number) REQUIRES(mutex_);
  /// Why `lsn` will never be durable, if so.
  const Error* hopeless(Lsn lsn) const noexcept;
  bool callbacks_ready(Lsn newest = kEveryLsn) const REQUIRES(mutex_);
  void run_callbacks(Lsn newest) EXCLUDES(mutex_);
  void schedule_callbacks() REQUIRES(mutex_);

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
  Lsn hopeless_above_;  // With `error_`: what lies above will never be durable.
  std::vector<std::byte> scratch_;
  std::vector<std::byte> claimed_;  // An open claim's, where the region takes no plain stores.
  std::size_t flush_begin_ = 0;     // The open batch lies from here to `tail_`.

  std::atomic<std::uint64_t> durable_lsn_{0};
  LaneSegments segments_;

  /// Guards the headers of the lane's segments against truncation beside the writer.
  Mutex header_mutex_;
  std::uint64_t first_lane_sequence_ GUARDED_BY(header_mutex_) = 0;

  struct Waiting {
    Lsn lsn;
    DurableCallback callback;
  };

  Mutex mutex_;
  CondVar callbacks_ended_;
  std::deque<Batch> batches_ GUARDED_BY(mutex_);      // Under way, in log order.
  std::uint64_t first_batch_ GUARDED_BY(mutex_) = 0;  // The number of the oldest of them.
  std::atomic<std::size_t> under_way_{0};             // How many there are.
  std::size_t open_waiters_ GUARDED_BY(mutex_) = 0;   // Who sleeps for the open batch to end.
  bool driving_ GUARDED_BY(mutex_) = false;           // `drive` was scheduled, and has not ended.
  /// One word for each batch there may be, the open one included, changed when the batch ends: all
  /// who wait for it sleep on it, and one call of the kernel wakes them.
  std::array<BatchWord, 2 * kMaxBatchesInFlight> words_{};
  bool running_callbacks_ GUARDED_BY(mutex_) = false;
  bool callbacks_scheduled_ GUARDED_BY(mutex_) = false;
  std::thread::id callback_thread_ GUARDED_BY(mutex_);  // Of the last that ran any.
  std::deque<Waiting> callbacks_ GUARDED_BY(mutex_);    // In the order of their LSNs.
  TaskGroup background_;  // Last, so that its tasks end before what they use.
};

}  // namespace nacre::wal
