#pragma once

// A region of simulated media. Thread safety: as SimulatedMachine.

#include <memory>

#include "emulation/simulation/trace.h"
#include "nacre/pmem.h"

namespace nacre {

class Machine;

/// Lifetime: `machine` outlives it.
std::unique_ptr<pmem::Region> make_simulated_region(Machine& machine, MediaAddress address,
                                                    std::size_t bytes);

}  // namespace nacre
