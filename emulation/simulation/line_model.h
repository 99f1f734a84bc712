#pragma once

// Mapped memory whose cache lines persist when they are flushed: the ADR domain.
//
// After Raad, Wickerson, Neiger, Vafeiadis, "Persistency semantics of the Intel-x86 architecture"
// (POPL 2020): stores to one line persist in order, stores to different lines do not; a flush takes
// effect at the next fence of its thread; non-temporal stores are unordered until a fence. Taken
// wider where the architecture is silent: streamed words of one line persist each on their own, and
// so does a cached store to a word that was streamed to and is not fenced. What a process had
// streamed that was killed is durable once its lines are flushed, as what it had stored.

#include <array>
#include <cstdint>
#include <map>
#include <vector>

#include "emulation/simulation/persistence_model.h"
#include "emulation/simulation/store_chain.h"

namespace nacre {

inline constexpr std::size_t kLineBytes = 64;

class LineModel final : public PersistenceModel {
 public:
  /// Lifetime: `definite` outlives this.
  explicit LineModel(DefiniteBytes& definite) : definite_(definite) {}

  bool narrows(const Trace& trace, std::size_t index) const override;
  void apply(const Trace& trace, std::size_t index) override;
  void collect(CrashState& state) const override;
  void clear() override;

 private:
  struct Line final : DefiniteWriters {
    StoreChain cached;
    StreamedChains streamed;
    // By byte: one more than the event that made it definite, 0 when that is older than all here.
    std::array<std::size_t, kLineBytes> written_by{};

    bool is_newer(MediaAddress address, std::size_t event) const override {
      return written_by[address % kLineBytes] > event;
    }
  };
  /// Everything that was in the line's cache before `event`.
  struct Flush {
    MediaAddress line = 0;
    std::size_t event = 0;
  };
  struct Thread {
    std::vector<Flush> flushes;
    std::vector<MediaAddress> streamed_lines;
  };

  void store(PendingStore store);
  void flush(const Event& event, std::size_t index);
  void fence(std::uint16_t thread);
  void end_process();
  /// Makes the pending stores definite that `covered(store)` names.
  template <class Covered>
  void persist(MediaAddress line, Covered covered);

  DefiniteBytes& definite_;
  std::map<MediaAddress, Line> lines_;
  std::map<std::uint16_t, Thread> threads_;
};

}  // namespace nacre
