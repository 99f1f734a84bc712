#pragma once

// The log that a store's writes go to: lanes, one LSN order over them, and which writes are under
// way.
//
// Lane 0 is the manifest's. The writes have the lanes from 1 on: a writer takes one that nobody is
// appending to. In the memory domains a record stays where it was appended, and is read there; in
// the block domain it is durable on the device, and whoever wants to read it copies it.
//
// Thread safety: every member may be called from any thread, but for `open` and `close`.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "lib/base/thread_annotations.h"
#include "lib/store/entry.h"
#include "lib/store/in_flight.h"
#include "nacre/result.h"
#include "nacre/store.h"
#include "wal/lane_set.h"

namespace nacre::store {

inline constexpr std::uint32_t kManifestLane = 0;
inline constexpr std::uint32_t kMaxWriteLanes = 64;

/// A record of the log that is durable.
struct LoggedWrite {
  Sequence sequence;
  std::uint32_t lane = 0;
  /// Where the record lies, in the memory domains; else empty. It stays there while its segment is
  /// held, and as long as the write is under way.
  Bytes record;
  const wal::LaneSegment* segment = nullptr;
};

/// How the log of a store is opened, or made.
wal::LaneSet::Options lane_set_options(const StoreOptions& options);

class WriteLog {
 public:
  /// `set` has at least `lanes` + 2 ordered lanes: one more for the manifest, and one that only the
  /// clock knows.
  WriteLog(wal::LaneSetHandle set, std::uint32_t lanes);

  wal::LaneSet& set() noexcept { return *set_; }
  const wal::LaneSet& set() const noexcept { return *set_; }
  bool keeps_records_in_place() const noexcept { return synchronous_; }

  /// Says that a write is about to be appended.
  InFlight::Write begin();

  /// Returns when every write has ended that had begun before.
  void wait_for_begun() noexcept { in_flight_.wait_for_begun(); }

  /// Appends `prefix` + `payload` as one record and waits until it is durable.
  /// Errors: as nacre::Lane::append.
  Result<LoggedWrite> append(InFlight::Write& write, Bytes prefix, Bytes payload);

  /// A write of several keys, while this lives: what comes behind it is not seen before it.
  class BatchUnderWay {
   public:
    explicit BatchUnderWay(WriteLog& log) : log_(log) {
      log_.order_.batches.fetch_add(1, std::memory_order_seq_cst);
    }
    ~BatchUnderWay() { log_.order_.batches.fetch_sub(1, std::memory_order_seq_cst); }
    BatchUnderWay(const BatchUnderWay&) = delete;
    BatchUnderWay& operator=(const BatchUnderWay&) = delete;

   private:
    WriteLog& log_;
  };

  /// To be called with what was appended, behind a locked operation and before it can be seen.
  /// Returns when no batch before it is still to be seen, nor a snapshot still to be taken that
  /// does not have it.
  void await_turn(Sequence sequence, bool is_batch) noexcept {
    const bool others = order_.batches.load(std::memory_order_seq_cst) > (is_batch ? 1U : 0U);
    if (others || order_.moment.load(std::memory_order_seq_cst) != 0 ||
        order_.barrier.load(std::memory_order_seq_cst) != 0) [[unlikely]] {
      take_turn(sequence, others);
    }
  }

  /// What is seen from one moment on, and is no write: while this lives, nothing above that moment
  /// is seen, and a snapshot is of before it. One at a time.
  class Barrier {
   public:
    explicit Barrier(WriteLog& log);
    ~Barrier();
    Barrier(const Barrier&) = delete;
    Barrier& operator=(const Barrier&) = delete;

    /// The moment. Every write that is lower has drawn its sequence, and none has this one. Until
    /// it is called nothing at all comes to be seen: to be called right away.
    void decide(Sequence moment) noexcept;
    /// Returns when every write below the moment can be seen.
    void wait_for_earlier() noexcept;
    /// What is of the moment can be read: snapshots from now on include it.
    void pass() noexcept;

   private:
    WriteLog& log_;
    Sequence moment_{};
  };

  /// Every write that had been acknowledged before the call has at most this sequence, and every
  /// write that has at most this sequence can be read, once `begin` of it came after what the
  /// caller has published. There is a moment in the call at which these were what could be read.
  Sequence snapshot();

  /// Every write that is appended from now on and does not know of `lsn` yet has a higher LSN.
  Lsn newest() const noexcept { return set_->lsn_clock().newest(); }
  /// Draws below `lsn` are over once this has returned, but for writes under way. One at a time.
  void raise(Lsn lsn) noexcept { set_->lsn_clock().raise(clock_lane_, lsn); }
  void wait_through(Lsn lsn) noexcept { in_flight_.wait_through(lsn); }

  /// Gives up the records of writes up to `lsn`. Errors: as wal::LaneCore::truncate.
  Status truncate(Lsn lsn);

  /// In use, by all lanes, the manifest's among them.
  std::uint64_t segments();

  std::size_t max_record_bytes() { return lanes_.front()->core.max_payload(); }
  Status close();

 private:
  struct WriteLane {
    explicit WriteLane(wal::LaneCore& lane) : core(lane) {}
    Mutex mutex;
    wal::LaneCore& core;
  };

  WriteLane& lock_lane() NO_THREAD_SAFETY_ANALYSIS;
  void take_turn(Sequence sequence, bool other_batches) noexcept;
  Sequence newest_durable() const noexcept;
  Sequence before_barrier(Sequence moment) const noexcept;

  /// Who appends looks at them each time; they change seldom.
  struct alignas(64) Order {
    std::atomic<std::uint32_t> batches{0};  // Under way.
    /// The snapshot that is being taken, kUndecided before it is known, or 0. What has a greater
    /// sequence is not to be seen until it has been taken.
    std::atomic<std::uint64_t> moment{0};
    /// The same of a Barrier.
    std::atomic<std::uint64_t> barrier{0};
    /// The moment of the last Barrier that was passed.
    std::atomic<std::uint64_t> passed{0};
  };

  wal::LaneSetHandle set_;
  const bool synchronous_;
  const std::uint32_t clock_lane_;
  const Lsn newest_at_open_;  // Of all lanes, those included that nobody appends to any more.
  std::vector<std::unique_ptr<WriteLane>> lanes_;
  InFlight in_flight_;
  Order order_;
  Mutex moment_mutex_;  // One snapshot that waits for writers at a time.
};

}  // namespace nacre::store
