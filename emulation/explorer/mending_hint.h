#pragma once

// What a program lacks that would have kept a store which a crash has lost.

#include <cstddef>
#include <string>

#include "emulation/explorer/call_site.h"
#include "emulation/simulation/trace.h"
#include "nacre/emulation/crash_model.h"

namespace nacre {

struct LostStore {
  std::size_t event = 0;
  /// The crash came before this event.
  std::size_t crash = 0;
  /// A store behind it that the crash has kept, and that relies on it; `crash` when there is none.
  std::size_t relying = 0;
};

/// Such as "not flushed before list.cc:33 was stored: flush it, and fence".
std::string mending_hint(const Trace& trace, MemoryModel model, const LostStore& lost,
                         CallSites& sites);

}  // namespace nacre
