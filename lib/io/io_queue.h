#pragma once

// The requests of a scheduler, from submission to their end: what waits, in which order it goes to
// the backend, merged or in pieces, and what comes back. No locks, threads, clock or backend in it,
// so that a test can decide everything.
//
// Order: two writes that overlap take effect in the order of their submission, whatever their
// classes; the later waits until the earlier has ended. Nothing else is ordered: not a read beside
// a write, not a sync beside a write that has not ended, and not a chain beside anything.
//
// Merging: writes of one file and class, queued, adjacent, and alike in `durable`, go out as one.
// When it fails, each of them has failed.
//
// Thread safety: none of its own.

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "lib/io/io_callback.h"
#include "lib/io/io_entry.h"
#include "lib/io/io_metrics.h"
#include "lib/io/io_policy.h"
#include "lib/io/timed_heap.h"
#include "lib/io/write_order.h"
#include "nacre/io.h"

namespace nacre {

struct IoQueueOptions {
  IoPolicyOptions policy = {};
  /// By class: so many requests may wait; what happens at the bound is the scheduler's.
  std::array<std::size_t, kIoClasses> max_queued = {4096, 4096, 4096, 4096};
  std::uint64_t max_merge_bytes = std::uint64_t{1} << 20;
  std::size_t max_merge_buffers = 64;
};

/// A request that has ended, and whom to tell.
struct IoEnded {
  IoCallback done;
  IoCompletion completion;
};

class IoQueue {
 public:
  /// `depth` is the backend's. `metrics` is borrowed.
  IoQueue(std::size_t depth, const IoQueueOptions& options, IoMetrics& metrics);
  IoQueue(const IoQueue&) = delete;
  IoQueue& operator=(const IoQueue&) = delete;

  bool is_full(IoClass io_class) const noexcept {
    return queued(io_class) >= options_.max_queued[static_cast<std::size_t>(io_class)];
  }
  /// How many wait, those held back included.
  std::size_t queued(IoClass io_class) const noexcept {
    return queued_[static_cast<std::size_t>(io_class)];
  }
  std::size_t in_flight(IoClass io_class) const noexcept { return policy_.in_flight(io_class); }

  /// Takes a chain, or one request. It moves out of `steps`.
  IoTicket add(std::span<IoRequest> steps, const IoRequest* undo, IoCallback done,
               std::uint64_t now_ns);
  /// As `add`, of one that has failed already.
  IoTicket add_failed(std::span<IoRequest> steps, const IoRequest* undo, IoCallback done,
                      const Error& error, std::uint64_t now_ns);

  /// Appends what may begin to `heads`, for the backend. `note_submitted` must follow before the
  /// next `pick`; operations may end in between.
  void pick(std::uint64_t now_ns, std::vector<IoOperation*>& heads);
  void note_submitted() noexcept;
  /// Whether something has been queued, or has ended, since the last `pick`.
  bool has_news() const noexcept { return has_news_; }
  /// The backend has given these back.
  void note_ended(std::span<IoOperation* const> operations, std::uint64_t now_ns);

  /// Of a request that has not ended: ends it if it waits, else has `take_cancels` name it. One
  /// that has been merged ends as it ends.
  void cancel(IoTicket ticket, std::uint64_t now_ns);
  /// As `cancel`, for all whose time is up.
  void expire(std::uint64_t now_ns);
  /// Appends operations that are with the backend, and are to be called back. Each once.
  void take_cancels(std::vector<IoOperation*>& operations);
  bool has_cancels() const noexcept { return !cancels_.empty(); }

  /// Moves those that have ended to the end of `ended`.
  void take_ended(std::vector<IoEnded>& ended);
  bool has_ended() const noexcept { return !ended_.empty(); }
  /// When `expire` or `pick` has something to do without a completion; IoBackend::kForever if
  /// never.
  std::uint64_t next_ns() const noexcept;

 private:
  // io_queue.cc
  IoEntry& new_entry(std::span<IoRequest> steps, const IoRequest* undo, IoCallback done,
                     std::uint64_t now_ns);
  void set_times(IoEntry& entry, std::uint64_t now_ns);
  void enqueue(IoEntry& entry);
  void dequeue(IoEntry& entry) noexcept;
  void call_back(IoEntry& entry, bool timed_out, std::uint64_t now_ns);
  void end(IoEntry& entry, IoCompletion completion, std::uint64_t now_ns);
  void begin_undo(IoEntry& entry, IoCompletion failure);
  void free(IoEntry& entry);
  bool must_wait(const IoEntry& entry) const;
  void hold(IoEntry& entry);
  void leave_order(IoEntry& entry);
  void release_held();

  // io_queue_flights.cc
  IoEntry* next(std::uint64_t now_ns);
  IoEntry* overdue(std::uint64_t now_ns);
  IoEntry* front(IoClass io_class) const noexcept;
  IoShare share_of(const IoEntry& entry, std::uint64_t now_ns) const noexcept;
  bool may_split(const IoEntry& entry) const noexcept;
  void begin(IoEntry& entry, std::uint64_t now_ns, std::vector<IoOperation*>& heads);
  void begin_piece(IoFlight& flight, IoEntry& entry);
  void begin_whole(IoFlight& flight, IoEntry& entry, std::uint64_t now_ns);
  void gather(IoFlight& flight, std::uint64_t now_ns);
  void load_carrier(IoFlight& flight);
  IoFlight& new_flight();
  void land(IoFlight& flight, std::uint64_t now_ns);
  void land_piece(IoFlight& flight, IoEntry& entry, std::uint64_t now_ns);
  void land_merged(IoFlight& flight, std::uint64_t now_ns);
  void free(IoFlight& flight);

  const IoQueueOptions options_;
  IoMetrics& metrics_;
  IoPolicy policy_;

  std::vector<std::unique_ptr<IoEntry>> entries_;
  std::vector<IoEntry*> free_entries_;
  std::vector<std::unique_ptr<IoFlight>> flights_;
  std::vector<IoFlight*> free_flights_;
  std::vector<IoFlight*> picked_;  // Since the last `note_submitted`.
  std::vector<IoFlight*> cancels_;
  std::vector<IoEnded> ended_;

  std::array<IoEntryList, kIoClasses> lists_;  // That of foreground reads is not used.
  TimedHeap reads_;
  std::array<std::size_t, kIoClasses> queued_{};
  std::size_t waiting_ = 0;  // All that are queued, those held back aside.
  bool has_news_ = false;
  std::uint64_t order_ = 0;  // Numbers requests, for equal times.
  TimedHeap timers_;
  WriteOrder writes_;
  std::vector<IoEntry*> held_;  // In the order of their submission.
};

}  // namespace nacre
