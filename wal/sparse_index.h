#pragma once

// Where in a segment records lie: the first frame behind each 64 KiB. Filled by one writer, read by
// any number of threads beside it, never resized: 16 bytes for each 64 KiB of log.

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "nacre/types.h"

namespace nacre::wal {

class SparseIndex {
 public:
  static constexpr std::size_t kStrideBytes = std::size_t{64} << 10;

  struct Entry {
    Lsn lsn;  ///< No record before the frame has it or a higher one, no record in it a lower one.
    std::size_t offset = 0;
  };

  explicit SparseIndex(std::size_t segment_bytes)
      : capacity_(segment_bytes / kStrideBytes + 1),
        entries_(std::make_unique<Entry[]>(capacity_)) {}

  /// True when a frame at `offset` should be added.
  bool wants(std::size_t offset) const noexcept { return offset >= next_offset_; }
  std::size_t next_offset() const noexcept { return next_offset_; }

  /// Notes that the frame at `offset` begins with `lsn`. Both rise from call to call.
  void add(Lsn lsn, std::size_t offset) noexcept {
    const std::size_t count = count_.load(std::memory_order_relaxed);
    if (count == capacity_) return;
    entries_[count] = Entry{.lsn = lsn, .offset = offset};
    next_offset_ = (offset / kStrideBytes + 1) * kStrideBytes;
    // Publishes the entry to `find`.
    count_.store(count + 1, std::memory_order_release);
  }

  /// The newest indexed frame that begins at or before `lsn`, or `otherwise`.
  Entry find(Lsn lsn, Entry otherwise) const noexcept {
    // Pairs with the release in `add`.
    std::size_t high = count_.load(std::memory_order_acquire);
    std::size_t low = 0;
    while (low < high) {
      const std::size_t middle = low + (high - low) / 2;
      if (entries_[middle].lsn <= lsn) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low == 0 ? otherwise : entries_[low - 1];
  }

  /// The first indexed frame at or behind `offset`; none when there is none.
  std::optional<Entry> at_or_behind(std::size_t offset) const noexcept {
    // Pairs with the release in `add`.
    const std::span entries(entries_.get(), count_.load(std::memory_order_acquire));
    const auto found = std::ranges::lower_bound(entries, offset, {}, &Entry::offset);
    if (found == entries.end()) return {};
    return *found;
  }

 private:
  const std::size_t capacity_;
  std::size_t next_offset_ = 0;
  std::unique_ptr<Entry[]> entries_;
  std::atomic<std::size_t> count_{0};
};

}  // namespace nacre::wal
