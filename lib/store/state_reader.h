#pragma once

// Reads of what a pin holds: for an open store, and for somebody who only looks at one.
//
// Thread safety: every function may be called from any thread.

#include <optional>
#include <span>
#include <vector>

#include "lib/store/entry.h"
#include "lib/store/keyspace_core.h"
#include "lib/store/read_states.h"
#include "nacre/clock.h"
#include "nacre/result.h"
#include "nacre/store.h"

namespace nacre::store {

class StateReader {
 public:
  /// `clock`: says what has expired. Borrowed.
  explicit StateReader(Clock& clock) noexcept : clock_(clock) {}

  /// Errors: as Store::get.
  Result<std::optional<PinnedValue>> get(ReadPin pin, const KeyspaceCore& keyspace, Bytes key,
                                         Sequence at) const;
  Result<std::vector<std::optional<PinnedValue>>> multi_get(const ReadPin& pin,
                                                            const KeyspaceCore& keyspace,
                                                            std::span<const Bytes> keys,
                                                            Sequence at) const;
  std::uint64_t now_ms() const { return clock_.wall_ns() / 1'000'000; }

 private:
  Result<std::optional<PinnedValue>> show(const ReadPin& pin, const KeyspaceCore& keyspace,
                                          const Entry& version) const;

  Clock& clock_;
};

}  // namespace nacre::store
