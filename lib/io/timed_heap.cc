#include "lib/io/timed_heap.h"

#include "lib/base/assert.h"

namespace nacre {

bool TimedHeap::before(const Timed& a, const Timed& b) noexcept {
  return a.at_ns != b.at_ns ? a.at_ns < b.at_ns : a.order < b.order;
}

void TimedHeap::put(std::size_t place, Timed& item) noexcept {
  heap_[place] = &item;
  item.place = place;
}

void TimedHeap::add(Timed& item) {
  NACRE_ASSERT(!item.waits());
  heap_.push_back(&item);
  item.place = heap_.size() - 1;
  rise(item.place);
}

void TimedHeap::remove(Timed& item) noexcept {
  if (!item.waits()) return;
  const std::size_t place = item.place;
  Timed& last = *heap_.back();
  heap_.pop_back();
  item.place = Timed::kNowhere;
  if (&last == &item) return;
  put(place, last);
  rise(place);
  sink(last.place);
}

void TimedHeap::rise(std::size_t place) noexcept {
  Timed& item = *heap_[place];
  while (place > 0) {
    const std::size_t parent = (place - 1) / 2;
    if (!before(item, *heap_[parent])) break;
    put(place, *heap_[parent]);
    place = parent;
  }
  put(place, item);
}

void TimedHeap::sink(std::size_t place) noexcept {
  Timed& item = *heap_[place];
  for (;;) {
    std::size_t child = 2 * place + 1;
    if (child >= heap_.size()) break;
    if (child + 1 < heap_.size() && before(*heap_[child + 1], *heap_[child])) ++child;
    if (!before(*heap_[child], item)) break;
    put(place, *heap_[child]);
    place = child;
  }
  put(place, item);
}

}  // namespace nacre
