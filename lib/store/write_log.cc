#include "lib/store/write_log.h"

#include <algorithm>
#include <thread>
#include <utility>

#include "lib/base/thread_number.h"
#include "lib/base/try.h"
#include "lib/store/table_format.h"
#include "wal/lane_core.h"
#include "wal/lsn_clock.h"
#include "wal/record_format.h"

namespace nacre::store {
namespace {

/// Of a snapshot or a barrier; below every sequence.
constexpr std::uint64_t kUndecided = 1;
/// A write into memory takes less than that.
constexpr int kSpins = 2000;

}  // namespace

wal::LaneSet::Options lane_set_options(const StoreOptions& options) {
  return {.kind = LogKind::kStore,
          .ordered_lanes = kManifestLane + 1 + kMaxWriteLanes + 1,
          .segment_bytes = options.segment_bytes,
          .max_record_bytes = wal::kLargestPayloadBytes,
          .spare_segments = options.spare_segments,
          .domain = options.domain,
          .io_engine = options.io_engine,
          .overwrite_protection = options.overwrite_protection,
          .environment = options.environment,
          .on_create = [](FileSystem& file_system, const std::filesystem::path& created,
                          const Uuid&) -> Status {
            return file_system.create_directory(created / kTableDirectoryName);
          }};
}

WriteLog::WriteLog(wal::LaneSetHandle set, std::uint32_t lanes)
    : set_(std::move(set)),
      synchronous_(set_->environment().domain()->synchronous()),
      clock_lane_(lanes + 1),
      newest_at_open_(set_->lsn_clock().newest()) {
  set_->lsn_clock().use_lanes(clock_lane_ + 1);
  for (std::uint32_t i = 0; i < lanes; ++i) {
    lanes_.push_back(std::make_unique<WriteLane>(set_->lane(kManifestLane + 1 + i)));
  }
}

InFlight::Write WriteLog::begin() { return in_flight_.begin(Lsn{newest().value + 1}); }

WriteLog::WriteLane& WriteLog::lock_lane() {
  const std::size_t own = thread_number() % lanes_.size();
  for (std::size_t i = 0; i < lanes_.size(); ++i) {
    WriteLane& lane = *lanes_[(own + i) % lanes_.size()];
    if (lane.mutex.try_lock()) return lane;
  }
  WriteLane& lane = *lanes_[own];
  lane.mutex.lock();
  return lane;
}

Result<LoggedWrite> WriteLog::append(InFlight::Write& write, Bytes prefix,
                                     Bytes payload) NO_THREAD_SAFETY_ANALYSIS {
  WriteLane& lane = lock_lane();
  LoggedWrite logged;
  Result<Lsn> lsn = lane.core.enqueue(prefix, payload, 0);
  if (lsn && synchronous_) {
    logged.record = lane.core.newest_record(prefix.size() + payload.size());
    logged.segment = lane.core.newest_segment().get();
  }
  lane.mutex.unlock();
  if (!lsn) return std::move(lsn).error();
  logged.lane = lane.core.lane();
  logged.sequence = Sequence::of(*lsn, logged.lane);
  write.drew(logged.sequence);
  // Who appends meanwhile shares the device write that this one waits for.
  if (!synchronous_) NACRE_TRY(lane.core.wait(*lsn));
  return logged;
}

Sequence WriteLog::newest_durable() const noexcept {
  // In the block domain a write that is under way may take as long as the device; whatever is not
  // durable yet was acknowledged to nobody. There is one lane, whose records become durable in
  // order; what an earlier writer had on other lanes is older than what this one appends.
  const Sequence written =
      Sequence::through(synchronous_ || lanes_.size() > 1
                            ? newest()
                            : std::max(newest_at_open_, lanes_.front()->core.durable_lsn()));
  // Everything below was waited for.
  return std::max(written, Sequence{order_.passed.load(std::memory_order_seq_cst)});
}

/// A barrier that comes later is above `moment`, which was known before. One that was passed bounds
/// nothing any more: what is of it may have been merged by now with what it hides, so that at a
/// moment below it nothing would be left to be seen.
Sequence WriteLog::before_barrier(Sequence moment) const noexcept {
  std::uint64_t barrier = order_.barrier.load(std::memory_order_seq_cst);
  for (; barrier == kUndecided; barrier = order_.barrier.load(std::memory_order_seq_cst)) {
    std::this_thread::yield();
  }
  const bool bounds = barrier > order_.passed.load(std::memory_order_seq_cst);
  return bounds ? std::min(moment, Sequence{barrier - 1}) : moment;
}

WriteLog::Barrier::Barrier(WriteLog& log) : log_(log) {
  log_.order_.barrier.store(kUndecided, std::memory_order_seq_cst);
}

WriteLog::Barrier::~Barrier() { log_.order_.barrier.store(0, std::memory_order_seq_cst); }

void WriteLog::Barrier::decide(Sequence moment) noexcept {
  moment_ = moment;
  log_.order_.barrier.store(moment.value, std::memory_order_seq_cst);
}

void WriteLog::Barrier::wait_for_earlier() noexcept {
  log_.in_flight_.wait_through(Sequence{moment_.value - 1});
}

void WriteLog::Barrier::pass() noexcept {
  log_.order_.passed.store(moment_.value, std::memory_order_seq_cst);
}

/// A snapshot without what could be seen before, beside what could be seen later, is of no moment:
/// whoever has read both one by one knows. So writes behind it are held back while it waits for
/// those before it.
Sequence WriteLog::snapshot() {
  const Sequence now = newest_durable();
  if (order_.barrier.load(std::memory_order_seq_cst) == 0 && !in_flight_.any_through(now) &&
      newest_durable() == now) {
    return now;
  }
  MutexLock lock(moment_mutex_);
  order_.moment.store(kUndecided, std::memory_order_seq_cst);
  const Sequence moment = before_barrier(newest_durable());
  order_.moment.store(moment.value, std::memory_order_seq_cst);
  in_flight_.wait_through(moment);
  order_.moment.store(0, std::memory_order_seq_cst);
  return moment;
}

/// Everything here waits for what has a lower sequence alone, so that nobody waits in a circle.
void WriteLog::take_turn(Sequence sequence, bool other_batches) noexcept {
  // Seen before a batch that hides it in part, it would show that the batch came in two steps.
  if (other_batches) in_flight_.wait_through(Sequence{sequence.value - 1});
  for (const auto* bound : {&order_.moment, &order_.barrier}) {
    int spin = 0;
    for (std::uint64_t moment = bound->load(std::memory_order_seq_cst);
         moment == kUndecided || (moment != 0 && moment < sequence.value);
         moment = bound->load(std::memory_order_seq_cst)) {
      if (++spin > kSpins) std::this_thread::yield();
    }
  }
}

Status WriteLog::truncate(Lsn lsn) {
  for (std::uint32_t number = kManifestLane + 1; number < set_->lane_count(); ++number) {
    NACRE_TRY(set_->lane(number).truncate(Lsn{lsn.value + 1}));
  }
  return {};
}

std::uint64_t WriteLog::segments() {
  std::uint64_t sum = 0;
  for (std::uint32_t number = 0; number < set_->lane_count(); ++number) {
    sum += set_->lane(number).segments().count();
  }
  return sum;
}

Status WriteLog::close() { return set_->close(); }

}  // namespace nacre::store
