#include "lib/store/in_flight.h"

#include <algorithm>
#include <thread>

#include "lib/base/thread_number.h"

namespace nacre::store {
namespace {

/// A write into memory takes less than that; one to a device is slept for.
constexpr int kSpins = 2000;

/// Of a write that has not drawn its sequence. No write draws one on lane 0, the manifest's.
bool is_only_said(std::uint64_t floor) noexcept { return Sequence{floor}.lane() == 0; }

}  // namespace

InFlight::Write InFlight::begin(Lsn floor) noexcept {
  const Sequence lowest = Sequence::of(floor, 0);
  for (std::size_t at = thread_number();; ++at) {
    std::atomic<std::uint64_t>& place = places_[at % kPlaces].floor;
    std::uint64_t free = 0;
    if (place.load(std::memory_order_relaxed) == 0 &&
        place.compare_exchange_strong(free, lowest.value, std::memory_order_seq_cst)) {
      return {this, &place};
    }
    if (at % kPlaces == kPlaces - 1) std::this_thread::yield();
  }
}

void InFlight::leave(std::atomic<std::uint64_t>& floor) noexcept {
  // In one order with the count: either a waiter sees that this write has ended, or it is seen.
  floor.store(0, std::memory_order_seq_cst);
  if (waiting_.load(std::memory_order_seq_cst) != 0) floor.notify_all();
}

void InFlight::wait_through(Sequence sequence) noexcept {
  for (const Place& place : places_) {
    int spin = 0;
    for (std::uint64_t floor = place.floor.load(std::memory_order_seq_cst);
         floor != 0 && floor <= sequence.value;
         floor = place.floor.load(std::memory_order_seq_cst)) {
      if (++spin > kSpins) std::this_thread::yield();
    }
  }
}

bool InFlight::any_through(Sequence sequence) const noexcept {
  return std::ranges::any_of(places_, [&](const Place& place) {
    const std::uint64_t floor = place.floor.load(std::memory_order_seq_cst);
    return floor != 0 && floor <= sequence.value;
  });
}

void InFlight::wait_through(Lsn lsn) noexcept {
  const Sequence last = Sequence::through(lsn);
  for (Place& place : places_) {
    const auto is_waited_for = [&](std::uint64_t floor) {
      return floor != 0 && floor <= last.value;
    };
    std::uint64_t floor = place.floor.load(std::memory_order_seq_cst);
    for (int spin = 0; spin < kSpins && is_waited_for(floor); ++spin) {
      floor = place.floor.load(std::memory_order_seq_cst);
    }
    if (!is_waited_for(floor)) continue;
    waiting_.fetch_add(1, std::memory_order_seq_cst);
    for (floor = place.floor.load(std::memory_order_seq_cst); is_waited_for(floor);
         floor = place.floor.load(std::memory_order_seq_cst)) {
      // Nobody is told when the write draws its sequence; and once it has drawn a greater one than
      // is waited for here, it may itself have to wait for who waits here.
      if (is_only_said(floor)) {
        std::this_thread::yield();
      } else {
        place.floor.wait(floor, std::memory_order_seq_cst);
      }
    }
    waiting_.fetch_sub(1, std::memory_order_seq_cst);
  }
}

void InFlight::wait_for_begun() noexcept {
  for (Place& place : places_) {
    std::uint64_t floor = place.floor.load(std::memory_order_seq_cst);
    // A write has two floors, that which it said and that which it drew: behind the second change
    // it is another one that has the place.
    for (int changes = 0; floor != 0 && changes < 2;) {
      std::uint64_t next = floor;
      for (int spin = 0; spin < kSpins && next == floor; ++spin) {
        next = place.floor.load(std::memory_order_seq_cst);
      }
      if (next == floor) {
        waiting_.fetch_add(1, std::memory_order_seq_cst);
        place.floor.wait(floor, std::memory_order_seq_cst);
        waiting_.fetch_sub(1, std::memory_order_seq_cst);
        next = place.floor.load(std::memory_order_seq_cst);
      }
      changes += static_cast<int>(next != floor);
      floor = next;
    }
  }
}

}  // namespace nacre::store
