#pragma once

// The sparse index of a table: where every so manieth entry begins, and 8 bytes of its key behind
// the prefix that all keys of the table share. A search stays in an array of 8-byte numbers until
// the last step. Implements that part of docs/format/table.md.

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <vector>

#include "lib/store/table_format.h"
#include "nacre/comparator.h"
#include "nacre/types.h"

namespace nacre::store {

/// Borrows its bytes, which stay where they are. Thread safety: immutable.
class SparseIndex {
 public:
  SparseIndex() = default;
  /// `bytes`: the area of `points` points.
  SparseIndex(Bytes bytes, std::uint64_t points) noexcept
      : heads_(reinterpret_cast<const le64*>(bytes.data())),
        entries_(reinterpret_cast<const le32*>(bytes.data() + points * sizeof(le64))),
        points_(points) {}

  std::uint64_t points() const noexcept { return points_; }
  std::uint64_t offset(std::uint64_t point) const noexcept {
    return std::uint64_t{entries_[point]} * kEntryAlignment;
  }

  /// The number of points before the place that is looked for. `head`: of the key; `before(offset)`
  /// says whether the entry there is before the place, and is asked only where heads are equal.
  template <class Before>
  std::uint64_t points_before(std::uint64_t head, Before&& before) const noexcept {
    // The heads below are certainly before, those above certainly not.
    const std::uint64_t low = first_point([&](std::uint64_t at) { return heads_[at] < head; }, 0);
    if (low == points_ || heads_[low] != head) return low;
    return first_point([&](std::uint64_t at) { return heads_[at] == head && before(offset(at)); },
                       low);
  }

 private:
  /// The first point from `begin` on for which `less` is false; it is true for all before.
  template <class Less>
  std::uint64_t first_point(Less&& less, std::uint64_t begin) const noexcept {
    std::uint64_t left = points_ - begin;
    while (left > 0) {
      const std::uint64_t half = left / 2;
      const bool right = less(begin + half);
      begin = right ? begin + half + 1 : begin;
      left = right ? left - half - 1 : half;
    }
    return begin;
  }

  const le64* heads_ = nullptr;
  const le32* entries_ = nullptr;
  std::uint64_t points_ = 0;
};

/// Collects points while entries go by; their heads can only be told at the end, when the prefix
/// that all keys share is known. Thread safety: one thread at a time. Memory: 24 bytes a point.
class SparseIndexBuilder {
 public:
  /// At most so many entries from one point to the next ...
  static constexpr std::uint64_t kEntries = 16;
  /// ... and no further point before so many bytes, or as many entries, have gone by.
  static constexpr std::uint64_t kBytes = 4096;

  explicit SparseIndexBuilder(const Comparator& comparator) : comparator_(comparator) {}

  /// The next entry, in order, which begins at `offset`.
  void add(Bytes key, std::uint64_t offset);

  std::uint64_t points() const noexcept { return points_.size(); }
  std::uint64_t memory_bytes() const noexcept { return points_.capacity() * sizeof(Point); }
  /// The bytes that all keys begin with; empty in an order that says nothing of prefixes.
  Bytes prefix() const noexcept { return Bytes(first_key_).first(prefix_bytes_); }
  /// The area.
  std::vector<std::byte> build() const;

 private:
  /// The key of a point: what it shares with the first key, and up to 8 bytes behind that.
  struct Point {
    std::uint32_t entry;
    std::uint32_t shared_bytes;
    std::uint32_t tail_bytes;
    std::array<std::byte, sizeof(std::uint64_t)> tail;
  };
  std::uint64_t head_of(const Point& point) const noexcept;

  Comparator comparator_;
  std::vector<std::byte> first_key_;
  std::size_t prefix_bytes_ = 0;
  std::uint64_t entries_since_point_ = 0;
  std::uint64_t point_offset_ = 0;
  std::vector<Point> points_;
};

}  // namespace nacre::store
