#include "emulation/simulation/trace.h"

#include <set>

namespace nacre {
namespace {

/// Whether `value` is the event of its beginning.
bool is_ending(EventKind kind) {
  return kind == EventKind::kWriteEnd || kind == EventKind::kWriteFailed ||
         kind == EventKind::kSyncEnd;
}

}  // namespace

void Trace::begin_with(const Trace& other, std::size_t count) {
  clear();
  names_ = other.names_;
  for (std::size_t i = 0; i < count; ++i) add_copy(other, other.events_[i]);
}

void Trace::go_on_with(const Trace& next_process) {
  // What the process had under way ends with it, and nobody has heard how.
  std::set<std::size_t> under_way;
  for (std::size_t i = 0; i < events_.size(); ++i) {
    if (events_[i].kind == EventKind::kWriteBegin) under_way.insert(i);
    if (is_ending(events_[i].kind)) under_way.erase(events_[i].value);
  }
  for (const std::size_t begun : under_way) {
    Event end = events_[begun];
    end.kind = EventKind::kWriteEnd;
    end.flag = false;
    end.bytes = 0;
    end.value = begun;
    events_.push_back(end);
  }
  events_.push_back({.kind = EventKind::kKilled});
  killed_at_ = events_.size();
  for (Event event : next_process.events_) {
    if (is_ending(event.kind)) event.value += killed_at_;
    add_copy(next_process, event);
  }
}

void Trace::add_copy(const Trace& other, Event event) {
  const Bytes written = other.written(event);
  event.data = data_.size();
  data_.insert(data_.end(), written.begin(), written.end());
  if (event.calls != 0) {
    calls_.push_back(other.calls_[event.calls - 1]);
    event.calls = calls_.size();
  }
  events_.push_back(event);
}

}  // namespace nacre
