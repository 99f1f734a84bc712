#include "emulation/explorer/random_crash.h"

#include "emulation/explorer/crash_points.h"
#include "emulation/simulation/media_bytes.h"
#include "emulation/simulation/simulated_files.h"

namespace nacre {

void crash_at_random(Machine& machine, std::size_t first, RandomSource& random) {
  const Trace& trace = machine.trace();
  const std::size_t target = first + uniform_below(random, trace.events().size() - first + 1);
  Media& media = machine.media();
  const std::uint64_t inodes = machine.files().inodes();
  media.restore();
  // Files that nothing on the media names any more keep their places.
  machine.files().restore_inodes(inodes);
  SavedBytes definite(media);
  CrashPoints points(trace, machine.options().model, definite, {});
  for (CrashPoint point; points.next(point) && point.event < target;) {
  }
  CrashState state;
  points.collect(state);
  for (const Granule& granule : state.granules) {
    const Candidate& chosen = granule.candidates[uniform_below(random, granule.candidates.size())];
    for (const Patch& patch : chosen.patches) media.save_bytes(patch.address, patch.bytes);
  }
  machine.begin_recovery();
}

}  // namespace nacre
