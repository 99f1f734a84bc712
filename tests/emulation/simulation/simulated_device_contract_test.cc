// The contract of an IoBackend holds over a simulated device. What it does not offer: calls from
// several threads, writes that are cut short, and to be closed in a forked child.

#include <gtest/gtest.h>

#include <memory>
#include <utility>
#include <vector>

#include "emulation/simulation/simulated_device.h"
#include "nacre/emulation/simulated_machine.h"
#include "tests/lib/io/io_backend_contract.h"
#include "tests/lib/io/io_buffer_group_contract.h"

namespace nacre {
namespace {

using test::IoBackendCase;
using test::IoBackendContract;
using test::IoBufferGroupContract;

constexpr std::uint64_t kSeed = 7;

/// That of a machine of its own.
std::shared_ptr<FileSystem> simulated_files() {
  auto machine = std::make_shared<SimulatedMachine>(SimulatedMachine::create().value());
  FileSystem* const files = &machine->file_system();
  return {std::move(machine), files};
}

Result<std::unique_ptr<IoBackend>> make_device(FileSystem& files) {
  return std::make_unique<SimulatedDevice>(files, kSeed);
}

std::vector<IoBackendCase> cases() {
  std::vector<IoBackendCase> all;
  for (const bool direct : {false, true}) {
    all.push_back({.name = direct ? "Direct" : "Buffered",
                   .make = make_device,
                   .direct = direct,
                   .single_thread = true,
                   .file_system = simulated_files});
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(SimulatedDevice, IoBackendContract, testing::ValuesIn(cases()),
                         [](const auto& the) { return the.param.name; });
INSTANTIATE_TEST_SUITE_P(SimulatedDevice, IoBufferGroupContract, testing::ValuesIn(cases()),
                         [](const auto& the) { return the.param.name; });

}  // namespace
}  // namespace nacre
