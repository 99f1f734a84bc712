#pragma once

// Stores of which a crash keeps a prefix.

#include <cstdint>
#include <vector>

#include "emulation/simulation/persistence_model.h"

namespace nacre {

/// A store, within one aligned word, that no crash has to keep yet.
struct PendingStore {
  std::size_t event = 0;
  MediaAddress address = 0;
  std::uint16_t thread = 0;
  bool streamed = false;
  const void* site = nullptr;
  std::vector<std::byte> bytes;

  MediaAddress end() const noexcept { return address + bytes.size(); }
  bool overlaps(const PendingStore& other) const noexcept {
    return address < other.end() && other.address < end();
  }
};

using StoreChain = std::vector<PendingStore>;

PendingStore pending_store(const Trace& trace, std::size_t index);

/// Which event wrote the definite content of a byte, where that is newer than a pending store.
class DefiniteWriters {
 public:
  virtual ~DefiniteWriters() = default;
  /// True when `event` comes too late to change the byte.
  virtual bool is_newer(MediaAddress address, std::size_t event) const = 0;
};

/// Streamed stores that no crash has to keep yet, and the cached ones that came over them: those
/// that share bytes, directly or through others, stand in one chain in the order of their events.
using StreamedChains = std::vector<StoreChain>;

/// Adds `store` to the chain that it shares bytes with, which takes in the others of which that is
/// true. False, with `store` untouched, when there is none.
bool add_over_streamed(StreamedChains& chains, PendingStore& store);

/// The different contents that the prefixes of `chain` leave, the empty one first. Adds nothing
/// when there is one only.
void collect_prefixes(CrashState& state, const StoreChain& chain, const DefiniteBytes& definite,
                      const DefiniteWriters* writers);

/// The same of streamed stores, which may be over other granules: of each set of stores that holds,
/// with a store, those before it that share bytes with it.
void collect_streamed(CrashState& state, const StreamedChains& chains,
                      const DefiniteBytes& definite, const DefiniteWriters* writers);

}  // namespace nacre
