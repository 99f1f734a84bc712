#include "lib/io/io_policy.h"

#include <algorithm>

namespace nacre {
namespace {

std::size_t reserve(std::size_t wanted, std::size_t depth) noexcept {
  // At least one slot stays for those it is taken from.
  const std::size_t most = depth - 1;
  if (wanted != IoPolicyOptions::kEighth) return std::min(wanted, most);
  return std::min(std::max<std::size_t>(depth / 8, 1), most);
}

}  // namespace

IoPolicy::IoPolicy(std::size_t depth, const IoPolicyOptions& options) noexcept
    : options_(options),
      depth_(depth),
      shared_slots_(depth - reserve(options.log_slots, depth)),
      background_slots_(shared_slots_ - reserve(options.read_slots, shared_slots_)),
      flush_{TokenBucket(options.flush.bytes_per_s), TokenBucket(options.flush.operations_per_s)},
      compaction_{TokenBucket(options.compaction.bytes_per_s),
                  TokenBucket(options.compaction.operations_per_s)} {}

bool IoPolicy::has_room(const IoShare& share, std::uint64_t now_ns) noexcept {
  if (!fits(share.slots)) return false;
  if (share.io_class == IoClass::kLog) return true;
  // A chain longer than its share still goes out, alone.
  const std::size_t shared = in_flight_ - in_flight(IoClass::kLog);
  if (shared > 0 && shared + share.slots > shared_slots_) return false;
  if (!is_background(share.io_class)) return true;
  const std::size_t background = in_flight(IoClass::kFlush) + in_flight(IoClass::kCompaction);
  if (background > 0 && background + share.slots > background_slots_) return false;
  if (!options_.adaptive || window_.admits(share.bytes, now_ns)) return true;
  opens_ns_ = std::min(opens_ns_, window_.pause_ends_ns());
  return false;
}

bool IoPolicy::has_credit(IoClass io_class, std::uint64_t now_ns) noexcept {
  if (!is_background(io_class)) return true;
  const Credit& credit = this->credit(io_class);
  const std::uint64_t opens_ns = std::max(credit.bytes.opens_ns(), credit.operations.opens_ns());
  if (opens_ns <= now_ns) return true;
  opens_ns_ = std::min(opens_ns_, opens_ns);
  return false;
}

void IoPolicy::begin(const IoShare& share, std::uint64_t now_ns) noexcept {
  in_flight_ += share.slots;
  by_class_[static_cast<std::size_t>(share.io_class)] += share.slots;
  if (!is_background(share.io_class)) return;
  credit(share.io_class).bytes.take(share.bytes, now_ns);
  credit(share.io_class).operations.take(share.slots, now_ns);
  window_.begin_background(share.bytes);
}

void IoPolicy::end(const IoShare& share) noexcept {
  in_flight_ -= share.slots;
  by_class_[static_cast<std::size_t>(share.io_class)] -= share.slots;
  if (is_background(share.io_class)) window_.end_background(share.bytes);
}

BackgroundWindow::Sample IoPolicy::begin_foreground(Foreground kind,
                                                    std::uint64_t now_ns) noexcept {
  return window_.begin(kind, now_ns);
}

void IoPolicy::end_foreground(const BackgroundWindow::Sample& sample, std::uint64_t bytes,
                              std::uint64_t now_ns) {
  window_.end(sample, bytes, now_ns);
}

bool IoPolicy::is_overdue(IoClass io_class, std::uint64_t waited_ns) const noexcept {
  return waited_ns > options_.patience_ns && in_flight(io_class) == 0;
}

std::uint64_t IoPolicy::piece_bytes(std::uint64_t now_ns) const noexcept {
  if (options_.piece_bytes == 0) return BackgroundWindow::kUnlimited;
  const std::uint64_t window = window_.bytes(now_ns);
  if (window == BackgroundWindow::kUnlimited) return window;
  return options_.adaptive ? std::min(options_.piece_bytes, window) : options_.piece_bytes;
}

}  // namespace nacre
