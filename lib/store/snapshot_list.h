#pragma once

// The snapshots that are held, for whoever wants to drop what no reader can see.
//
// Thread safety: every member may be called from any thread.

#include <cstdint>
#include <map>
#include <vector>

#include "lib/base/assert.h"
#include "lib/base/thread_annotations.h"
#include "lib/store/entry.h"

namespace nacre::store {

class SnapshotList {
 public:
  SnapshotList() = default;
  SnapshotList(const SnapshotList&) = delete;
  SnapshotList& operator=(const SnapshotList&) = delete;
  ~SnapshotList() {
    NACRE_ASSERT(held_.empty() && "a snapshot or a transaction outlives its store");
  }

  /// Holds what `take()` gives, and returns it. Whoever asks for the list beforehand asks about
  /// versions that are older than that. `now_ns`: by a clock that never goes back.
  template <class Take>
  Sequence hold(Take&& take, std::uint64_t now_ns) {
    MutexLock lock(mutex_);
    const auto held = held_.try_emplace(take(), Held{.count = 0, .since_ns = now_ns}).first;
    held->second.count += 1;
    return held->first;
  }
  void remove(Sequence sequence) {
    MutexLock lock(mutex_);
    const auto held = held_.find(sequence);
    if (--held->second.count == 0) held_.erase(held);
  }
  /// In order, each once.
  std::vector<Sequence> held() const {
    MutexLock lock(mutex_);
    std::vector<Sequence> all;
    for (const auto& [sequence, held] : held_) all.push_back(sequence);
    return all;
  }

  struct Summary {
    std::uint64_t count = 0;
    Sequence oldest;  ///< Means nothing without any.
    /// Since when what the oldest one sees has been held.
    std::uint64_t oldest_since_ns = 0;
  };
  Summary summary() const {
    MutexLock lock(mutex_);
    Summary all;
    for (const auto& [sequence, held] : held_) all.count += held.count;
    if (held_.empty()) return all;
    all.oldest = held_.begin()->first;
    all.oldest_since_ns = held_.begin()->second.since_ns;
    return all;
  }

 private:
  struct Held {
    std::uint64_t count;
    std::uint64_t since_ns;
  };
  mutable Mutex mutex_;
  std::map<Sequence, Held> held_ GUARDED_BY(mutex_);
};

}  // namespace nacre::store
