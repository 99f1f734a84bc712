#pragma once

// Mapped memory behind caches that a power cut flushes: eADR, or CXL with global persistent flush.
//
// A store survives as soon as it is visible, so that a crash leaves a prefix of all cached stores,
// no shorter than the last fence of each thread. Who flushes a line has seen what is in it: as with
// a cache that needs flushing, it is durable at that thread's next fence. Streamed words wait in
// write-combining buffers, which are lost: they are in any order until a fence (Intel SDM, volume
// 1, 10.4.6.2).

#include <map>

#include "emulation/simulation/persistence_model.h"
#include "emulation/simulation/store_chain.h"

namespace nacre {

class DurableCacheModel final : public PersistenceModel {
 public:
  /// Lifetime: `definite` outlives this.
  explicit DurableCacheModel(DefiniteBytes& definite) : definite_(definite) {}

  bool narrows(const Trace& trace, std::size_t index) const override;
  void apply(const Trace& trace, std::size_t index) override;
  void collect(CrashState& state) const override;
  void clear() override;

 private:
  struct Writers final : DefiniteWriters {
    bool is_newer(MediaAddress address, std::size_t event) const override;
    std::map<MediaAddress, std::size_t> written_by;  // One more than the event.
  };

  /// Whether a fence of `thread` waits for it.
  bool is_waited_for(const PendingStore& store, std::uint16_t thread) const;
  void flush(const Event& event);
  void fence(std::uint16_t thread);
  void end_process();
  void settle(const PendingStore& store);

  DefiniteBytes& definite_;
  StoreChain visible_;
  StreamedChains streamed_;
  std::map<std::uint16_t, std::size_t> flushed_until_;  // By thread: the last event it has seen.
  Writers writers_;
};

}  // namespace nacre
