#pragma once

// A crash that really happens to a simulated machine, with what it leaves chosen at random.
//
// Thread safety: none.

#include <cstddef>

#include "emulation/simulation/machine.h"
#include "nacre/random.h"

namespace nacre {

/// The machine, which has recorded what was done since it was last settled, crashes at a crash
/// point that comes at event `first` or later; the program starts anew on what is left. Nothing of
/// that program may be in use any more.
void crash_at_random(Machine& machine, std::size_t first, RandomSource& random);

}  // namespace nacre
