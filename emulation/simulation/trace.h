#pragma once

// What a program did to simulated media, event by event.
//
// Thread safety: none; whoever records sees to it that one thread at a time does.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "emulation/simulation/call_chain.h"
#include "nacre/types.h"

namespace nacre {

class NameTable;

/// A byte of the simulated media: all files and regions lie in one row.
using MediaAddress = std::uint64_t;

enum class EventKind : std::uint8_t {
  kStore,       ///< Through the cache, at most 8 bytes of one aligned word.
  kStream,      ///< Past the cache, at most 8 bytes of one aligned word.
  kFlush,       ///< Begins to write back the lines of a range.
  kFence,       ///< Waits for what this thread flushed and streamed.
  kMemorySync,  ///< msync of a range returned.
  kWriteBegin,  ///< A write to `file` was submitted, after which it has `value` bytes.
  /// It completed; `value` is the event of its beginning, `flag`: durably. The content of the file
  /// begins at `address`.
  kWriteEnd,
  kWriteFailed,     ///< It failed, and may be there all the same; `value` as for kWriteEnd.
  kResize,          ///< `file`, whose content begins at `address`, was given `value` bytes.
  kZeroPastEnd,     ///< `value` bytes past a file's end turn out never to have held anything.
  kSyncBegin,       ///< A sync of `file` was submitted.
  kSyncEnd,         ///< It returned; `value` is the event of its beginning, `flag`: well.
  kNames,           ///< An operation on names, which stand at `address`; its text is the data.
  kSyncNames,       ///< A directory was synced; its path is the data.
  kBeginOperation,  ///< The test's own; `value` is its index in the history.
  kEndOperation,    ///<
  kPromiseDurable,  ///< The test says: operations up to `value` are durable.
  kAnswered,        ///< The test says: recovery has found what it will return.
  kKilled,          ///< The process ended, and the power stayed: others go on with what is visible.
  kLeftOut,         ///< It would have made something durable; a mutation has taken it out.
};

struct Event {
  EventKind kind = EventKind::kFence;
  bool flag = false;
  std::uint16_t thread = 0;
  std::uint32_t bytes = 0;
  MediaAddress address = 0;
  std::uint64_t value = 0;
  MediaAddress file = 0;  ///< Where the file's size stands, which tells it from all others.
  std::size_t data = 0;   ///< Where in the trace's data what was written lies.
  /// The return address of the call that made the event, outside the simulator; one past the
  /// instruction, where that stored by itself.
  const void* site = nullptr;
  std::size_t calls = 0;  ///< One more than the index of its calls, where these were captured.
};

/// Grows until it is cleared; a simulated workload is short.
class Trace {
 public:
  std::size_t add(const Event& event) {
    events_.push_back(event);
    if (captures_calls_ && event.site != nullptr) {
      calls_.push_back(capture_calls(event.site));
      events_.back().calls = calls_.size();
    }
    return events_.size() - 1;
  }
  /// With `written` as its data.
  std::size_t add(Event event, Bytes written) {
    event.data = data_.size();
    event.bytes = static_cast<std::uint32_t>(written.size());
    data_.insert(data_.end(), written.begin(), written.end());
    return add(event);
  }
  /// Adds the first `count` events of `other`, which have happened before.
  void begin_with(const Trace& other, std::size_t count);
  /// Adds what the process did that came after the one that was killed at the end of this.
  void go_on_with(const Trace& next_process);
  /// The index of the first event of the last process that came so; past all events where there is
  /// none.
  std::size_t killed_at() const noexcept { return killed_at_; }
  void clear() noexcept {
    killed_at_ = kNever;
    events_.clear();
    data_.clear();
    calls_.clear();
  }
  /// Whether the callers of each event are kept: for a run that is made once.
  void set_captures_calls(bool captures) noexcept { captures_calls_ = captures; }

  /// What the events on names speak of. Lifetime: whoever records keeps it.
  void set_names(std::shared_ptr<NameTable> names) noexcept { names_ = std::move(names); }
  const std::shared_ptr<NameTable>& names() const noexcept { return names_; }

  const std::vector<Event>& events() const noexcept { return events_; }
  /// What `event` wrote. Valid until the trace grows.
  Bytes written(const Event& event) const noexcept {
    return {data_.data() + event.data, event.bytes};
  }
  /// `event.site` and, where they were captured, its callers. Valid until the trace grows.
  std::span<const void* const> calls(const Event& event) const noexcept {
    if (event.calls == 0) return {&event.site, event.site == nullptr ? std::size_t{0} : 1};
    return calls_[event.calls - 1];
  }

 private:
  void add_copy(const Trace& other, Event event);

  static constexpr std::size_t kNever = static_cast<std::size_t>(-1);

  std::shared_ptr<NameTable> names_;
  std::size_t killed_at_ = kNever;
  std::vector<Event> events_;
  std::vector<std::byte> data_;
  std::vector<std::vector<const void*>> calls_;
  bool captures_calls_ = false;
};

}  // namespace nacre
