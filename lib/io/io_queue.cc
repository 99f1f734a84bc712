#include "lib/io/io_queue.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "lib/base/assert.h"
#include "lib/io/io_errors.h"

namespace nacre {
namespace {

/// So many of the writes that are held back are looked at one by one; those behind them wait until
/// they have moved up. Otherwise each write would cost a look at all of them.
constexpr std::size_t kLookAtHeld = 32;

std::size_t index_of(IoClass io_class) noexcept { return static_cast<std::size_t>(io_class); }

/// Moves the parts that are there: to move an empty path costs as much as all the rest.
void take(IoRequest& to, IoRequest& from) {
  to.kind = from.kind;
  to.io_class = from.io_class;
  to.durable = from.durable;
  to.advice = from.advice;
  to.file = from.file;
  to.offset = from.offset;
  to.bytes = from.bytes;
  to.buffers = std::move(from.buffers);
  to.group = from.group;
  if (!to.path.empty() || !from.path.empty()) to.path = std::move(from.path);
  if (!to.target.empty() || !from.target.empty()) to.target = std::move(from.target);
  to.timeout_ns = from.timeout_ns;
  to.deadline_ns = from.deadline_ns;
}

IoRequest copy_without_buffers(const IoRequest& from) {
  IoRequest copy;
  copy.kind = from.kind;
  copy.io_class = from.io_class;
  copy.advice = from.advice;
  copy.file = from.file;
  copy.offset = from.offset;
  copy.bytes = from.bytes;
  copy.path = from.path;
  copy.target = from.target;
  return copy;
}

IoCompletion failed(IoEntry& entry, Status status) {
  IoCompletion completion = completion_of(entry);
  completion.status = std::move(status);
  completion.bytes = 0;
  return completion;
}

}  // namespace

IoQueue::IoQueue(std::size_t depth, const IoQueueOptions& options, IoMetrics& metrics)
    : options_(options), metrics_(metrics), policy_(depth, options.policy) {}

IoTicket IoQueue::add(std::span<IoRequest> steps, const IoRequest* undo, IoCallback done,
                      std::uint64_t now_ns) {
  IoEntry& entry = new_entry(steps, undo, std::move(done), now_ns);
  const IoTicket ticket = entry.ticket();
  set_times(entry, now_ns);
  if (entry.is_write()) {
    // The order of writes relies on their ranges, so a mistaken one does not come that far.
    if (Status sound = check_request(entry.request()); !sound) {
      end(entry, failed(entry, std::move(sound)), now_ns);
      return ticket;
    }
    entry.range = {.file = &entry.request().file->file(),
                   .offset = entry.request().offset,
                   .bytes = entry.bytes,
                   .owner = &entry};
    if (must_wait(entry)) {
      hold(entry);
      return ticket;
    }
    writes_.insert(entry.range);
    entry.in_order = true;
  }
  enqueue(entry);
  return ticket;
}

IoTicket IoQueue::add_failed(std::span<IoRequest> steps, const IoRequest* undo, IoCallback done,
                             const Error& error, std::uint64_t now_ns) {
  IoEntry& entry = new_entry(steps, undo, std::move(done), now_ns);
  const IoTicket ticket = entry.ticket();
  end(entry, failed(entry, error), now_ns);
  return ticket;
}

IoEntry& IoQueue::new_entry(std::span<IoRequest> steps, const IoRequest* undo, IoCallback done,
                            std::uint64_t now_ns) {
  if (free_entries_.empty()) {
    entries_.push_back(std::make_unique<IoEntry>());
    entries_.back()->slot = static_cast<std::uint32_t>(entries_.size() - 1);
    free_entries_.push_back(entries_.back().get());
  }
  IoEntry& entry = *free_entries_.back();
  free_entries_.pop_back();
  while (entry.steps.size() < steps.size()) entry.steps.push_back(std::make_unique<IoOperation>());
  entry.used = steps.size();
  for (std::size_t i = 0; i < steps.size(); ++i) {
    IoOperation& step = *entry.steps[i];
    take(step.request, steps[i]);
    step.outcome = {};
    step.transferred = 0;
    step.next_in_chain = i + 1 < steps.size() ? entry.steps[i + 1].get() : nullptr;
  }
  entry.io_class = entry.request().io_class;
  if (undo != nullptr) entry.undo = copy_without_buffers(*undo);
  entry.done = std::move(done);
  entry.called_back = false;
  entry.timed_out = false;
  entry.bytes = steps.size() == 1 ? entry.request().transfer_bytes() : 0;
  entry.submitted_ns = now_ns;
  entry.issued = 0;
  entry.cut_at = IoEntry::kUncut;
  return entry;
}

void IoQueue::set_times(IoEntry& entry, std::uint64_t now_ns) {
  ++order_;
  const IoRequest& request = entry.request();
  if (request.timeout_ns != 0) {
    entry.timer.at_ns = now_ns + request.timeout_ns;
    entry.timer.order = order_;
    entry.timer.owner = &entry;
    timers_.add(entry.timer);
  }
  if (entry.io_class == IoClass::kForegroundRead) {
    const std::uint64_t within_ns =
        request.deadline_ns != 0 ? request.deadline_ns : options_.policy.read_deadline_ns;
    entry.deadline.at_ns = now_ns + within_ns;
    entry.deadline.order = order_;
    entry.deadline.owner = &entry;
  }
}

void IoQueue::enqueue(IoEntry& entry) {
  entry.state = IoEntry::State::kQueued;
  ++queued_[index_of(entry.io_class)];
  ++waiting_;
  has_news_ = true;
  if (entry.io_class == IoClass::kForegroundRead) {
    reads_.add(entry.deadline);
  } else {
    lists_[index_of(entry.io_class)].push_back(entry);
  }
}

void IoQueue::dequeue(IoEntry& entry) noexcept {
  entry.state = IoEntry::State::kInFlight;
  --queued_[index_of(entry.io_class)];
  --waiting_;
  if (entry.io_class == IoClass::kForegroundRead) {
    reads_.remove(entry.deadline);
  } else {
    lists_[index_of(entry.io_class)].remove(entry);
  }
}

/// Whether `entry` overlaps a write before it.
bool IoQueue::must_wait(const IoEntry& entry) const {
  if (writes_.overlaps(entry.range)) return true;
  if (held_.size() > kLookAtHeld) return true;
  return std::ranges::any_of(
      held_, [&](const IoEntry* held) { return held->range.overlaps(entry.range); });
}

void IoQueue::hold(IoEntry& entry) {
  entry.state = IoEntry::State::kHeld;
  ++queued_[index_of(entry.io_class)];
  held_.push_back(&entry);
}

void IoQueue::leave_order(IoEntry& entry) {
  if (!entry.in_order) return;
  entry.in_order = false;
  writes_.erase(entry.range);
  if (!held_.empty()) release_held();
}

/// A write has ended: those that waited for it alone go on.
void IoQueue::release_held() {
  const std::size_t looked_at = std::min(held_.size(), kLookAtHeld);
  std::size_t kept = 0;
  for (std::size_t i = 0; i < looked_at; ++i) {
    IoEntry& entry = *held_[i];
    const auto ahead = std::span(held_).first(kept);
    const bool waits =
        writes_.overlaps(entry.range) || std::ranges::any_of(ahead, [&](const IoEntry* other) {
          return other->range.overlaps(entry.range);
        });
    if (waits) {
      held_[kept++] = &entry;
      continue;
    }
    --queued_[index_of(entry.io_class)];
    writes_.insert(entry.range);
    entry.in_order = true;
    enqueue(entry);
  }
  held_.erase(held_.begin() + static_cast<std::ptrdiff_t>(kept),
              held_.begin() + static_cast<std::ptrdiff_t>(looked_at));
}

void IoQueue::cancel(IoTicket ticket, std::uint64_t now_ns) {
  const std::size_t slot = static_cast<std::uint32_t>(ticket.value) - std::size_t{1};
  if (ticket.value == 0 || slot >= entries_.size()) return;
  IoEntry& entry = *entries_[slot];
  if (entry.state == IoEntry::State::kFree || entry.ticket() != ticket) return;
  call_back(entry, /*timed_out=*/false, now_ns);
}

void IoQueue::expire(std::uint64_t now_ns) {
  while (!timers_.empty() && timers_.front().at_ns <= now_ns) {
    Timed& timer = timers_.front();
    timers_.remove(timer);
    call_back(*static_cast<IoEntry*>(timer.owner), /*timed_out=*/true, now_ns);
  }
}

void IoQueue::call_back(IoEntry& entry, bool timed_out, std::uint64_t now_ns) {
  // An undo is not for its caller to stop.
  if (entry.called_back || entry.failure.has_value()) return;
  const bool is_merged = !entry.flights.empty() && entry.flights.front()->members.size() > 1;
  if (is_merged) return;
  entry.called_back = true;
  entry.timed_out = timed_out;
  if (entry.state == IoEntry::State::kQueued) {
    dequeue(entry);
  } else if (entry.state == IoEntry::State::kHeld) {
    --queued_[index_of(entry.io_class)];
    std::erase(held_, &entry);
  }
  if (entry.flights.empty()) {
    end(entry, failed(entry, cancelled_by_caller(entry.request())), now_ns);
    return;
  }
  for (IoFlight* const flight : entry.flights) {
    flight->cancel_wanted = true;
    cancels_.push_back(flight);
  }
}

void IoQueue::end(IoEntry& entry, IoCompletion completion, std::uint64_t now_ns) {
  timers_.remove(entry.timer);
  if (entry.failure.has_value()) {
    completion = *std::exchange(entry.failure, std::nullopt);
  } else {
    const bool cancelled =
        !completion.status && completion.status.error().code() == ErrorCode::kCancelled;
    if (cancelled && entry.timed_out) completion.status = timed_out(entry.request());
    if (!completion.status && entry.undo.has_value()) {
      begin_undo(entry, std::move(completion));
      return;
    }
  }
  metrics_.of(entry.io_class)
      .count_end(completion.status, completion.bytes, now_ns - entry.submitted_ns);
  ended_.push_back({std::move(entry.done), std::move(completion)});
  free(entry);
}

/// The entry goes on as the undo's, and ends as the failure.
void IoQueue::begin_undo(IoEntry& entry, IoCompletion failure) {
  leave_order(entry);
  entry.failure = std::move(failure);
  entry.used = 1;
  entry.bytes = 0;
  IoOperation& step = entry.first();
  step.request = *std::exchange(entry.undo, std::nullopt);
  step.request.io_class = entry.io_class;
  step.outcome = {};
  step.transferred = 0;
  step.next_in_chain = nullptr;
  entry.deadline.at_ns = entry.submitted_ns;
  entry.deadline.order = ++order_;
  entry.deadline.owner = &entry;
  enqueue(entry);
}

void IoQueue::free(IoEntry& entry) {
  entry.state = IoEntry::State::kFree;
  entry.undo.reset();
  ++entry.generation;
  leave_order(entry);
  free_entries_.push_back(&entry);
}

void IoQueue::take_cancels(std::vector<IoOperation*>& operations) {
  std::erase_if(cancels_, [&](IoFlight* flight) {
    if (flight->state != IoFlight::State::kSubmitted) return false;
    operations.push_back(flight->head);
    return true;
  });
}

void IoQueue::take_ended(std::vector<IoEnded>& ended) {
  if (ended.empty()) {
    ended.swap(ended_);
    return;
  }
  std::ranges::move(ended_, std::back_inserter(ended));
  ended_.clear();
}

std::uint64_t IoQueue::next_ns() const noexcept {
  const std::uint64_t timer_ns = timers_.empty() ? IoBackend::kForever : timers_.front().at_ns;
  return std::min(timer_ns, policy_.opens_ns());
}

}  // namespace nacre
