#pragma once

// Decides the open contents of a crash as recovery comes to read them.

#include <cstdint>
#include <vector>

#include "emulation/explorer/choice_path.h"
#include "emulation/simulation/granule.h"
#include "emulation/simulation/machine.h"

namespace nacre {

class CrashResolver final : public AccessResolver {
 public:
  /// Lifetime: `media` outlives this.
  explicit CrashResolver(Media& media) : media_(media) {}

  /// What a crash has left, for the runs to come. Lifetime: `state` stays.
  void set_state(const CrashState& state);
  /// A run begins: nothing is decided. Lifetime: `chooser` stays for the run.
  void begin(Chooser& chooser);

  void before_access(MediaAddress address, std::size_t bytes) override;

  bool is_resolved(std::size_t granule) const noexcept { return resolved_[granule]; }
  std::size_t open_count() const noexcept { return open_count_; }

 private:
  struct Place {
    MediaAddress begin = 0;
    MediaAddress end = 0;
    std::uint32_t granule = 0;
  };

  void resolve(std::uint32_t granule);

  Media& media_;
  const CrashState* state_ = nullptr;
  Chooser* chooser_ = nullptr;
  std::vector<Place> places_;                      // By their beginning.
  std::size_t longest_ = 0;                        // Of the places.
  std::vector<std::vector<std::uint32_t>> below_;  // By granule: those it is applied over.
  std::vector<bool> resolved_;
  std::size_t open_count_ = 0;
};

}  // namespace nacre
