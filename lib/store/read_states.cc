#include "lib/store/read_states.h"

#include <algorithm>
#include <utility>

#include "lib/base/assert.h"
#include "lib/base/thread_number.h"
#include "lib/store/memtable_set.h"
#include "lib/store/table_set.h"

namespace nacre {

void ReadPin::let_go() noexcept {
  store::StateSlot* slot = std::exchange(slot_, nullptr);
  slot->owner->unpin(*slot, stripe_);
}

}  // namespace nacre

namespace nacre::store {
namespace {

/// A pin is counted where it was taken, and counted down where it is let go: the sum says how many
/// there are. It is never too low, since who lets go has been counted before.
bool is_pinned(const StateSlot& slot) noexcept {
  std::int64_t pins = 0;
  for (const StateSlot::Stripe& stripe : slot.stripes) {
    pins += stripe.pins.load(std::memory_order_seq_cst);
  }
  return pins != 0;
}

}  // namespace

ReadStates::ReadStates(ReadState first, LetGo let_go) : let_go_(std::move(let_go)) {
  publish(std::move(first));
}

ReadStates::~ReadStates() {
  current_.store(nullptr, std::memory_order_seq_cst);
  take_given_up();
  NACRE_ASSERT(kept() == 0 && "an iterator or a value outlives its store");
}

ReadPin ReadStates::pin() noexcept {
  const std::uint32_t stripe = thread_number() % StateSlot::kStripes;
  while (true) {
    StateSlot* const slot = current_.load(std::memory_order_seq_cst);
    slot->stripes[stripe].pins.fetch_add(1, std::memory_order_seq_cst);
    // Counted, and then still the newest: whoever gives it up after this finds the count.
    if (current_.load(std::memory_order_seq_cst) == slot) [[likely]] {
      return {slot, stripe};
    }
    slot->stripes[stripe].pins.fetch_sub(1, std::memory_order_seq_cst);
  }
}

ReadPin ReadStates::share(const ReadPin& pin) noexcept {
  // The state cannot be given up meanwhile: `pin` counts.
  pin.slot_->stripes[pin.stripe_].pins.fetch_add(1, std::memory_order_relaxed);
  return {pin.slot_, pin.stripe_};
}

void ReadStates::unpin(StateSlot& slot, std::uint32_t stripe) noexcept {
  slot.stripes[stripe].pins.fetch_sub(1, std::memory_order_seq_cst);
  if (current_.load(std::memory_order_relaxed) != &slot) [[unlikely]] {
    reclaim();
  }
}

void ReadStates::publish(ReadState next) {
  {
    MutexLock lock(mutex_);
    StateSlot& slot = free_slot();
    slot.state = std::move(next);
    slot.in_use = true;
    current_.store(&slot, std::memory_order_seq_cst);
  }
  reclaim();
}

const ReadState& ReadStates::newest() const noexcept {
  return current_.load(std::memory_order_seq_cst)->state;
}

StateSlot& ReadStates::free_slot() {
  for (StateSlot& slot : slots_) {
    if (!slot.in_use) return slot;
  }
  StateSlot& fresh = slots_.emplace_back();
  fresh.owner = this;
  return fresh;
}

void ReadStates::reclaim() {
  std::vector<ReadState> given_up = take_given_up();
  if (!given_up.empty()) let_go_(std::move(given_up));
}

std::vector<ReadState> ReadStates::take_given_up() {
  std::vector<ReadState> given_up;
  MutexLock lock(mutex_);
  for (StateSlot& slot : slots_) {
    const bool current = current_.load(std::memory_order_seq_cst) == &slot;
    if (!slot.in_use || current || is_pinned(slot)) continue;
    given_up.push_back(std::exchange(slot.state, {}));
    slot.in_use = false;
  }
  return given_up;
}

std::size_t ReadStates::kept() const {
  MutexLock lock(mutex_);
  return static_cast<std::size_t>(std::ranges::count_if(slots_, &StateSlot::in_use));
}

}  // namespace nacre::store
