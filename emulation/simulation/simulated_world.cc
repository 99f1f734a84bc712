#include "emulation/simulation/simulated_world.h"

#include "emulation/simulation/machine.h"
#include "lib/base/assert.h"
#include "pmem/block_region.h"

namespace nacre {
namespace {

constexpr std::uint64_t kSeed = 1;

}  // namespace

SimulatedWorld::SimulatedWorld(Machine& machine)
    : file_system_(machine.files()), domain_(machine) {}

Environment SimulatedWorld::environment() noexcept {
  return {.file_system = &file_system_,
          .clock = &program_->clock,
          .random = &program_->random,
          .executor = &program_->executor,
          .domain = &domain_,
          .io = nullptr};
}

Environment SimulatedWorld::block_environment() {
  if (program_->block_domain == nullptr) {
    program_->device = std::make_unique<SimulatedDevice>(file_system_, kSeed);
    auto made = pmem::make_block_domain({.kind = DomainKind::kBlock,
                                         .survives_power_loss = true,
                                         .granularity_bytes = pmem::kBlockBytes,
                                         .reason = "the machine is simulated",
                                         .copy_routine = {}},
                                        file_system_,
                                        {.backend = program_->device.get(),
                                         .engine = IoEngine::kAuto,
                                         .clock = &program_->clock,
                                         .executor = &program_->executor});
    // An engine that is there needs nothing that could be refused.
    NACRE_ASSERT(made.has_value());
    program_->block_domain = *std::move(made);
  }
  Environment environment = this->environment();
  environment.domain = program_->block_domain.get();
  return environment;
}

void SimulatedWorld::begin_recovery() { program_ = std::make_unique<Program>(); }

}  // namespace nacre
