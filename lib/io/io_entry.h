#pragma once

// What IoQueue keeps of a request, and of an operation it has given to a backend.
//
// Both are kept for their next use: their addresses stay, and so does the memory they hold.

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <vector>

#include "lib/io/background_window.h"
#include "lib/io/io_callback.h"
#include "lib/io/io_policy.h"
#include "lib/io/timed_heap.h"
#include "lib/io/write_order.h"
#include "nacre/io.h"

namespace nacre {

struct IoFlight;

/// One request, or one chain, from its submission until it has ended.
struct IoEntry {
  enum class State : std::uint8_t {
    kFree,
    kQueued,    ///< In the queue of its class; some pieces of it may be in flight.
    kHeld,      ///< Behind a write that it overlaps.
    kInFlight,  ///< All of it.
  };
  static constexpr std::uint64_t kUncut = std::numeric_limits<std::uint64_t>::max();

  std::uint32_t slot = 0;
  std::uint32_t generation = 0;
  State state = State::kFree;
  IoClass io_class = IoClass::kLog;
  bool called_back = false;  ///< Cancelled, or its time is up.
  bool timed_out = false;    ///< It was called back because its time was up.

  std::vector<std::unique_ptr<IoOperation>> steps;  ///< The first `used` count.
  std::size_t used = 0;
  std::optional<IoRequest> undo;
  std::optional<IoCompletion> failure;  ///< What is told when the undo under way has ended.
  IoCallback done;

  std::uint64_t bytes = 0;  ///< Of its transfer; 0 of a chain.
  std::uint64_t submitted_ns = 0;
  Timed timer;
  Timed deadline;               ///< Of foreground reads: their queue is ordered by it.
  IoEntry* previous = nullptr;  ///< In the queue of the other classes.
  IoEntry* next = nullptr;
  WriteRange range;
  bool in_order = false;  ///< `range` is among those that later writes must not overlap.

  std::vector<IoFlight*> flights;
  std::uint64_t issued = 0;       ///< Bytes that pieces have been made of.
  std::uint64_t cut_at = kUncut;  ///< Where the first piece begins that did not succeed whole.
  std::uint64_t cut_bytes = 0;    ///< Transferred up to there, and by it.
  Status cut_status;

  IoTicket ticket() const noexcept {
    return IoTicket{(std::uint64_t{generation} << 32) | (slot + 1)};
  }
  IoOperation& first() const noexcept { return *steps.front(); }
  const IoRequest& request() const noexcept { return first().request; }
  bool is_transfer() const noexcept {
    return used == 1 && bytes > 0 &&
           (request().kind == IoKind::kRead || request().kind == IoKind::kWrite);
  }
  bool is_write() const noexcept { return is_transfer() && request().kind == IoKind::kWrite; }
};

/// How `entry` has ended, by its operations; takes its buffers out of them.
IoCompletion completion_of(IoEntry& entry);

/// What the backend has in one piece: a request, a chain, several writes merged to one, or a piece
/// of a large transfer.
struct IoFlight {
  enum class State : std::uint8_t { kFree, kPicked, kSubmitted };

  State state = State::kFree;
  bool is_piece = false;
  bool cancel_wanted = false;
  IoOperation* head = nullptr;
  IoOperation carrier;  ///< Of merged writes and of pieces; its buffers borrow theirs.
  std::vector<IoEntry*> members;
  IoShare share;
  std::size_t ended = 0;  ///< Operations of it.
  std::uint64_t piece_at = 0;
  std::optional<BackgroundWindow::Sample> sample;  ///< Of what somebody waits for.
};

/// First in, first out, and any member can leave.
class IoEntryList {
 public:
  bool empty() const noexcept { return first_ == nullptr; }
  IoEntry* front() const noexcept { return first_; }
  void push_back(IoEntry& entry) noexcept {
    entry.previous = last_;
    entry.next = nullptr;
    (last_ == nullptr ? first_ : last_->next) = &entry;
    last_ = &entry;
  }
  void remove(IoEntry& entry) noexcept {
    (entry.previous == nullptr ? first_ : entry.previous->next) = entry.next;
    (entry.next == nullptr ? last_ : entry.next->previous) = entry.previous;
  }

 private:
  IoEntry* first_ = nullptr;
  IoEntry* last_ = nullptr;
};

}  // namespace nacre
