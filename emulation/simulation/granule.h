#pragma once

// What a crash leaves open: bytes that hold one of several contents, each chosen on its own.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "emulation/simulation/trace.h"
#include "nacre/types.h"

namespace nacre {

struct Span {
  MediaAddress address = 0;
  std::size_t bytes = 0;
};

/// Bytes that stand at `address` when a candidate is chosen.
struct Patch {
  MediaAddress address = 0;
  Bytes bytes;
};

/// One content of a granule. Different from each other.
struct Candidate {
  std::vector<Patch> patches;  ///< Applied one after the other, over what is definite.
  /// Where in the program the newest write in it was made; null for what was there before.
  const void* site = nullptr;
  /// The event of that write, where it is known.
  std::size_t event = kNoEvent;
  /// Of several operations that it lacks: the event of the newest that was not synced. Else it is
  /// the write of the next candidate.
  std::size_t lost_event = kNoEvent;
  /// Not written by anybody: what a device leaves of a unit it was writing.
  bool is_garbage = false;
  /// What it means, for people, where the bytes do not say.
  std::string meaning = {};

  static constexpr std::size_t kNoEvent = static_cast<std::size_t>(-1);
};

/// Bytes that a crash decides together. The oldest candidate comes first, the newest last.
struct Granule {
  std::vector<Span> spans;
  std::vector<Candidate> candidates;
};

/// What is not definite at a moment of crash. A granule further down is applied over those before
/// it, where they have bytes in common.
struct CrashState {
  std::vector<Granule> granules;
  std::deque<std::vector<std::byte>> contents;  ///< What patches point to.
  /// Why not every content that a crash may leave is among the candidates; what to do. Else empty.
  std::string limit = {};

  Bytes keep(std::vector<std::byte> bytes) {
    contents.push_back(std::move(bytes));
    return contents.back();
  }
};

}  // namespace nacre
