#pragma once

// Things ordered by a time, of which any can be taken out again: a binary heap whose members know
// their place.
//
// Thread safety: none of its own.

#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

namespace nacre {

/// A member of a TimedHeap, embedded in what it stands for.
struct Timed {
  static constexpr std::size_t kNowhere = std::numeric_limits<std::size_t>::max();

  std::uint64_t at_ns = 0;
  std::uint64_t order = 0;  ///< Decides between equal times.
  std::size_t place = kNowhere;
  void* owner = nullptr;

  bool waits() const noexcept { return place != kNowhere; }
};

/// Members are borrowed: each stays where it is until it has been removed.
class TimedHeap {
 public:
  bool empty() const noexcept { return heap_.empty(); }
  std::size_t size() const noexcept { return heap_.size(); }
  /// The earliest. Not of an empty heap.
  Timed& front() const noexcept { return *heap_.front(); }
  void add(Timed& item);
  /// Does nothing to one that is not in a heap.
  void remove(Timed& item) noexcept;

 private:
  static bool before(const Timed& a, const Timed& b) noexcept;
  void rise(std::size_t place) noexcept;
  void sink(std::size_t place) noexcept;
  void put(std::size_t place, Timed& item) noexcept;

  std::vector<Timed*> heap_;
};

}  // namespace nacre
