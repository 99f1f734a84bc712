#pragma once

// What reads look into, all of it at once: the memtables and the tables there are. Changes replace
// it as a whole; a reader pins what it began with and sees no change.
//
// Pinning takes no lock. Slots are never freed while the store is open, so that a reader may count
// itself in a slot that is just being given up; it looks again afterwards, and lets go if it was.
// Each slot counts in stripes, since two readers must not fight over one cache line.
//
// Thread safety: every member may be called from any thread.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "lib/base/thread_annotations.h"
#include "nacre/store.h"

namespace nacre::store {

class KeyspaceCore;
class MemtableSet;
class TableSet;

/// By id; the dropped ones are not in it.
using KeyspaceMap = std::map<std::uint32_t, KeyspaceCore*>;

struct ReadState {
  std::shared_ptr<MemtableSet> active;
  std::vector<std::shared_ptr<MemtableSet>> sealed;  ///< The newest first.
  std::shared_ptr<const TableSet> tables;
  std::shared_ptr<const KeyspaceMap> keyspaces;
  std::uint64_t loads = 0;  ///< Bulk loads that are in `tables`, or were.
};

struct StateSlot {
  static constexpr std::size_t kStripes = 16;
  struct alignas(64) Stripe {
    std::atomic<std::int64_t> pins{0};
  };
  std::array<Stripe, kStripes> stripes;
  /// Changed only while nobody can pin the slot.
  ReadState state;
  bool in_use = false;  // Guarded by the mutex of ReadStates.
  class ReadStates* owner = nullptr;
};

class ReadStates {
 public:
  /// `let_go` is given what nobody pins any more, on the thread that has seen that: what goes with
  /// a memtable takes milliseconds, which a reader does not have. Not once destruction has begun.
  using LetGo = std::function<void(std::vector<ReadState>)>;
  ReadStates(ReadState first, LetGo let_go);
  ~ReadStates();
  ReadStates(const ReadStates&) = delete;
  ReadStates& operator=(const ReadStates&) = delete;

  /// What `pin` shows is valid as long as it lives.
  ReadPin pin() noexcept;
  /// Another pin of what `pin` holds.
  static ReadPin share(const ReadPin& pin) noexcept;
  static const ReadState& state(const ReadPin& pin) noexcept { return pin.slot_->state; }

  /// Who pins from now on gets `next`. Not beside itself.
  void publish(ReadState next);
  /// As of now. Not beside `publish`.
  const ReadState& newest() const noexcept;

  /// Lets go of states that nobody pins any more.
  void reclaim();
  /// How many states are kept, the newest included.
  std::size_t kept() const;

  void unpin(StateSlot& slot, std::uint32_t stripe) noexcept;

 private:
  StateSlot& free_slot() REQUIRES(mutex_);
  std::vector<ReadState> take_given_up() EXCLUDES(mutex_);

  const LetGo let_go_;

  std::atomic<StateSlot*> current_{nullptr};
  mutable Mutex mutex_;
  std::deque<StateSlot> slots_ GUARDED_BY(mutex_);  // Stay where they are.
};

}  // namespace nacre::store
