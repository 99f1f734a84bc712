#pragma once

// The states that stand for all of them where there are too many: whatever differs in at most two
// granules from all oldest or from all newest contents, which covers each pair of contents, and
// then states at random.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "emulation/explorer/choice_path.h"
#include "emulation/simulation/granule.h"
#include "nacre/random.h"

namespace nacre {

class Representatives {
 public:
  Representatives(const CrashState& state, std::uint64_t seed);

  /// The next one. They do not end.
  ChosenSet next();

 private:
  using Others = ChosenSet::Others;
  /// One granule with one content that is not what the others have.
  struct Deviation {
    std::uint32_t granule = 0;
    std::uint32_t content = 0;
  };

  void begin_side(Others others);
  /// None when this side has no more of them.
  std::optional<ChosenSet> next_of_size();
  ChosenSet random_set();

  std::vector<std::uint32_t> counts_;  // Contents, by granule.
  SeededRandom random_;
  std::size_t size_ = 0;               // Deviations in a set; each size on both sides in turn.
  Others others_ = Others::kOldest;    // The side.
  std::vector<Deviation> deviations_;  // All that there are, on this side.
  std::size_t first_ = 0;              // The next set's deviations.
  std::size_t second_ = 0;
};

}  // namespace nacre
