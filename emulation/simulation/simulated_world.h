#pragma once

// What a program on a simulated machine takes from the world: files, memory, time, chance and
// tasks, all of them the same in each run.
//
// Thread safety: as SimulatedMachine.

#include <memory>

#include "emulation/simulation/simulated_device.h"
#include "emulation/simulation/simulated_domain.h"
#include "emulation/simulation/simulated_file_system.h"
#include "nacre/environment.h"

namespace nacre {

class SimulatedWorld {
 public:
  /// Lifetime: `machine` outlives this.
  explicit SimulatedWorld(Machine& machine);

  FileSystem& file_system() noexcept { return file_system_; }
  pmem::Domain& domain() noexcept { return domain_; }
  Environment environment() noexcept;
  Environment block_environment();

  /// All begins anew. Nothing of the program that crashed is left.
  void begin_recovery();

 private:
  /// In the order of their dependence: what comes later may use what comes before.
  struct Program {
    ManualClock clock;
    SeededRandom random{1};
    DeterministicExecutor executor{1};
    std::unique_ptr<SimulatedDevice> device;
    std::unique_ptr<pmem::Domain> block_domain;
  };

  SimulatedFileSystem file_system_;
  SimulatedDomain domain_;
  std::unique_ptr<Program> program_ = std::make_unique<Program>();
};

}  // namespace nacre
