// From the queue to the backend and back: whose turn it is, what goes out together or in pieces.

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "lib/base/assert.h"
#include "lib/io/io_errors.h"
#include "lib/io/io_queue.h"

namespace nacre {
namespace {

constexpr std::array kBackground{IoClass::kFlush, IoClass::kCompaction};

std::size_t index_of(IoClass io_class) noexcept { return static_cast<std::size_t>(io_class); }

/// Whose latency says how busy the device is.
std::optional<Foreground> foreground_of(const IoFlight& flight) noexcept {
  const IoRequest& request = flight.head->request;
  if (flight.share.bytes == 0) return {};
  if (request.io_class == IoClass::kForegroundRead && request.kind == IoKind::kRead) {
    return Foreground::kRead;
  }
  if (request.io_class == IoClass::kLog && request.kind == IoKind::kWrite) {
    return Foreground::kLogWrite;
  }
  return {};
}

/// Appends [at, at + bytes) of `from` to `to`; what continues the last buffer joins it.
void borrow_part(const std::vector<IoBuffer>& from, std::uint64_t at, std::uint64_t bytes,
                 std::vector<IoBuffer>& to) {
  for (const IoBuffer& buffer : from) {
    if (bytes == 0) return;
    if (at >= buffer.size()) {
      at -= buffer.size();
      continue;
    }
    const std::size_t part = std::min<std::uint64_t>(buffer.size() - at, bytes);
    std::byte* const begin = buffer.data() + at;
    const bool joins = !to.empty() && to.back().slot() == buffer.slot() &&
                       to.back().data() + to.back().size() == begin;
    if (joins) {
      to.back() = IoBuffer::borrow({to.back().data(), to.back().size() + part}, buffer.slot());
    } else {
      to.push_back(IoBuffer::borrow({begin, part}, buffer.slot()));
    }
    bytes -= part;
    at = 0;
  }
}

}  // namespace

void IoQueue::pick(std::uint64_t now_ns, std::vector<IoOperation*>& heads) {
  policy_.forget_opening();
  has_news_ = false;
  while (waiting_ > 0) {
    IoEntry* const entry = next(now_ns);
    if (entry == nullptr) return;
    begin(*entry, now_ns, heads);
  }
}

/// Whose turn it is; null when that one has no room yet, so that the room gathers for it.
IoEntry* IoQueue::next(std::uint64_t now_ns) {
  if (IoEntry* const log = front(IoClass::kLog)) {
    return policy_.has_room(share_of(*log, now_ns), now_ns) ? log : nullptr;
  }
  const auto with_room = [&](IoEntry* entry) {
    return policy_.has_room(share_of(*entry, now_ns), now_ns) ? entry : nullptr;
  };
  IoEntry* const read = front(IoClass::kForegroundRead);
  if (read != nullptr && read->deadline.at_ns <= now_ns + options_.policy.urgent_ns) {
    return with_room(read);
  }
  IoEntry* const waited_long = overdue(now_ns);
  if (waited_long != nullptr && with_room(waited_long) != nullptr) return waited_long;
  if (read != nullptr) return with_room(read);
  if (waited_long != nullptr) return nullptr;
  for (const IoClass io_class : kBackground) {
    IoEntry* const entry = front(io_class);
    if (entry != nullptr && policy_.has_credit(io_class, now_ns)) return with_room(entry);
  }
  return nullptr;
}

IoEntry* IoQueue::overdue(std::uint64_t now_ns) {
  for (const IoClass io_class : kBackground) {
    IoEntry* const entry = front(io_class);
    if (entry != nullptr && policy_.is_overdue(io_class, now_ns - entry->submitted_ns) &&
        policy_.has_credit(io_class, now_ns)) {
      return entry;
    }
  }
  return nullptr;
}

IoEntry* IoQueue::front(IoClass io_class) const noexcept {
  if (io_class != IoClass::kForegroundRead) return lists_[index_of(io_class)].front();
  return reads_.empty() ? nullptr : static_cast<IoEntry*>(reads_.front().owner);
}

bool IoQueue::may_split(const IoEntry& entry) const noexcept {
  // What is to get its buffer from the backend has none to cut.
  return is_background(entry.io_class) && entry.is_transfer() && !entry.request().wants_buffer();
}

IoShare IoQueue::share_of(const IoEntry& entry, std::uint64_t now_ns) const noexcept {
  std::uint64_t bytes = entry.is_transfer() ? entry.bytes - entry.issued : 0;
  if (may_split(entry)) bytes = std::min(bytes, policy_.piece_bytes(now_ns));
  return {.io_class = entry.io_class, .slots = entry.used, .bytes = bytes};
}

void IoQueue::begin(IoEntry& entry, std::uint64_t now_ns, std::vector<IoOperation*>& heads) {
  IoFlight& flight = new_flight();
  flight.share = share_of(entry, now_ns);
  if (entry.issued == 0) {
    metrics_.of(entry.io_class).queue_wait.record(now_ns - entry.submitted_ns);
  }
  flight.is_piece = entry.issued > 0 || (may_split(entry) && flight.share.bytes < entry.bytes);
  if (flight.is_piece) {
    begin_piece(flight, entry);
  } else {
    begin_whole(flight, entry, now_ns);
  }
  for (IoOperation* step = flight.head; step != nullptr; step = step->next_in_chain) {
    step->owner = &flight;
  }
  policy_.begin(flight.share, now_ns);
  flight.sample.reset();
  if (const auto kind = foreground_of(flight)) {
    flight.sample = policy_.begin_foreground(*kind, now_ns);
  }
  picked_.push_back(&flight);
  heads.push_back(flight.head);
}

void IoQueue::begin_piece(IoFlight& flight, IoEntry& entry) {
  flight.members.push_back(&entry);
  flight.piece_at = entry.issued;
  load_carrier(flight);
  flight.carrier.request.offset += entry.issued;
  borrow_part(entry.request().buffers, entry.issued, flight.share.bytes,
              flight.carrier.request.buffers);
  entry.issued += flight.share.bytes;
  entry.flights.push_back(&flight);
  if (entry.issued == entry.bytes) dequeue(entry);
}

void IoQueue::begin_whole(IoFlight& flight, IoEntry& entry, std::uint64_t now_ns) {
  dequeue(entry);
  flight.members.push_back(&entry);
  if (entry.in_order && waiting_ > 0) gather(flight, now_ns);
  for (IoEntry* const member : flight.members) member->flights.push_back(&flight);
  if (flight.members.size() == 1) {
    flight.head = &entry.first();
    return;
  }
  load_carrier(flight);
  for (IoEntry* const member : flight.members) {
    borrow_part(member->request().buffers, 0, member->bytes, flight.carrier.request.buffers);
  }
  metrics_.of(entry.io_class).merges.add(flight.members.size() - 1);
}

/// Adds the writes that continue this one, and those that it continues.
void IoQueue::gather(IoFlight& flight, std::uint64_t now_ns) {
  const IoEntry& first = *flight.members.front();
  WriteRange all = first.range;
  std::size_t buffers = first.request().buffers.size();
  std::uint64_t most_bytes = options_.max_merge_bytes;
  if (is_background(first.io_class)) most_bytes = std::min(most_bytes, policy_.piece_bytes(now_ns));
  const auto joins = [&](const WriteRange* range) -> IoEntry* {
    if (range == nullptr) return nullptr;
    auto& entry = *static_cast<IoEntry*>(range->owner);
    const bool fits = all.bytes + entry.bytes <= most_bytes &&
                      buffers + entry.request().buffers.size() <= options_.max_merge_buffers;
    const bool alike = entry.state == IoEntry::State::kQueued && entry.issued == 0 &&
                       entry.io_class == first.io_class &&
                       entry.request().durable == first.request().durable;
    if (!fits || !alike) return nullptr;
    dequeue(entry);
    metrics_.of(entry.io_class).queue_wait.record(now_ns - entry.submitted_ns);
    all.bytes += entry.bytes;
    buffers += entry.request().buffers.size();
    return &entry;
  };
  while (IoEntry* const entry = joins(writes_.after(all))) flight.members.push_back(entry);
  while (IoEntry* const entry = joins(writes_.before(all))) {
    all.offset = entry->range.offset;
    flight.members.insert(flight.members.begin(), entry);
  }
  flight.share.bytes = all.bytes;
}

/// Of the flight's first member, without its buffers.
void IoQueue::load_carrier(IoFlight& flight) {
  const IoRequest& request = flight.members.front()->request();
  IoOperation& carrier = flight.carrier;
  carrier.request.kind = request.kind;
  carrier.request.io_class = request.io_class;
  carrier.request.durable = request.durable;
  carrier.request.file = request.file;
  carrier.request.offset = request.offset;
  carrier.request.buffers.clear();
  carrier.outcome = {};
  carrier.transferred = 0;
  flight.head = &carrier;
}

IoFlight& IoQueue::new_flight() {
  if (free_flights_.empty()) {
    flights_.push_back(std::make_unique<IoFlight>());
    free_flights_.push_back(flights_.back().get());
  }
  IoFlight& flight = *free_flights_.back();
  free_flights_.pop_back();
  flight.state = IoFlight::State::kPicked;
  flight.cancel_wanted = false;
  flight.ended = 0;
  return flight;
}

void IoQueue::free(IoFlight& flight) {
  flight.state = IoFlight::State::kFree;
  flight.members.clear();
  if (flight.cancel_wanted) std::erase(cancels_, &flight);
  free_flights_.push_back(&flight);
}

void IoQueue::note_submitted() noexcept {
  // One that has ended meanwhile is free, and stays so until the next `pick`.
  for (IoFlight* const flight : picked_) {
    if (flight->state == IoFlight::State::kPicked) flight->state = IoFlight::State::kSubmitted;
  }
  picked_.clear();
}

void IoQueue::note_ended(std::span<IoOperation* const> operations, std::uint64_t now_ns) {
  for (IoOperation* const operation : operations) {
    auto& flight = *static_cast<IoFlight*>(operation->owner);
    if (++flight.ended == flight.share.slots) land(flight, now_ns);
  }
}

void IoQueue::land(IoFlight& flight, std::uint64_t now_ns) {
  policy_.end(flight.share);
  has_news_ = true;
  if (flight.sample) policy_.end_foreground(*flight.sample, flight.share.bytes, now_ns);
  for (IoEntry* const member : flight.members) std::erase(member->flights, &flight);
  if (flight.is_piece) {
    land_piece(flight, *flight.members.front(), now_ns);
  } else if (flight.members.size() > 1) {
    land_merged(flight, now_ns);
  } else {
    IoEntry& entry = *flight.members.front();
    end(entry, completion_of(entry), now_ns);
  }
  free(flight);
}

void IoQueue::land_merged(IoFlight& flight, std::uint64_t now_ns) {
  const Status& outcome = flight.carrier.outcome;
  for (IoEntry* const member : flight.members) {
    IoOperation& operation = member->first();
    operation.transferred = outcome ? member->bytes : 0;
    if (!outcome) {
      Error error = outcome.error();
      operation.outcome = std::move(error).with_offset(member->range.offset);
    }
    end(*member, completion_of(*member), now_ns);
  }
}

void IoQueue::land_piece(IoFlight& flight, IoEntry& entry, std::uint64_t now_ns) {
  IoOperation& piece = flight.carrier;
  const bool whole = piece.outcome && piece.transferred == flight.share.bytes;
  if (!whole && flight.piece_at < entry.cut_at) {
    entry.cut_at = flight.piece_at;
    entry.cut_bytes = flight.piece_at + piece.transferred;
    entry.cut_status = std::move(piece.outcome);
    // What lies behind the end of the file, or behind an error, is not asked for.
    if (entry.state == IoEntry::State::kQueued) dequeue(entry);
  }
  if (entry.state == IoEntry::State::kQueued || !entry.flights.empty()) return;
  IoOperation& operation = entry.first();
  operation.transferred = std::min(entry.cut_bytes, entry.issued);
  if (entry.cut_at != IoEntry::kUncut) {
    operation.outcome = std::move(entry.cut_status);
  } else {
    operation.transferred = entry.issued;
    if (entry.issued < entry.bytes) operation.outcome = cancelled_by_caller(operation.request);
  }
  end(entry, completion_of(entry), now_ns);
}

}  // namespace nacre
