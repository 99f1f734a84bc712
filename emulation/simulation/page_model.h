#pragma once

// A mapped file of the page cache: the kernel writes a dirty page back whenever it likes, and only
// a successful msync says that it has.

#include <map>

#include "emulation/simulation/persistence_model.h"
#include "emulation/simulation/store_chain.h"

namespace nacre {

class PageModel final : public PersistenceModel {
 public:
  /// `unit_bytes` is written as a whole: 4096, or 512 when a page may tear between sectors.
  /// Lifetime: `definite` outlives this.
  PageModel(DefiniteBytes& definite, std::size_t unit_bytes)
      : definite_(definite), unit_bytes_(unit_bytes) {}

  bool narrows(const Trace& trace, std::size_t index) const override;
  void apply(const Trace& trace, std::size_t index) override;
  void collect(CrashState& state) const override;
  void clear() override { units_.clear(); }

 private:
  using Units = std::map<MediaAddress, StoreChain>;
  MediaAddress unit_of(MediaAddress address) const { return address - address % unit_bytes_; }

  DefiniteBytes& definite_;
  std::size_t unit_bytes_;
  Units units_;
};

}  // namespace nacre
