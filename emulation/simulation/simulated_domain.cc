#include "emulation/simulation/simulated_domain.h"

#include <fmt/format.h>

#include "emulation/simulation/line_model.h"
#include "emulation/simulation/machine.h"
#include "emulation/simulation/simulated_file.h"
#include "emulation/simulation/simulated_region.h"
#include "lib/base/try.h"

namespace nacre {
namespace {

std::size_t granularity(MemoryModel memory) {
  switch (memory) {
    case MemoryModel::kCacheLine:
      return kLineBytes;
    case MemoryModel::kDurableCache:
      return sizeof(std::uint64_t);
    case MemoryModel::kMappedPages:
      return kPageBytes;
  }
  return 0;
}

}  // namespace

SimulatedDomain::SimulatedDomain(Machine& machine)
    : machine_(machine),
      info_{.kind = DomainKind::kSimulated,
            .survives_power_loss = true,
            .granularity_bytes = granularity(machine.options().model.memory),
            .reason = "the machine is simulated",
            .copy_routine = "simulated"} {}

bool SimulatedDomain::synchronous() const noexcept {
  return machine_.options().model.memory != MemoryModel::kMappedPages;
}

Result<std::unique_ptr<pmem::Region>> SimulatedDomain::map(std::unique_ptr<File> file,
                                                           std::size_t bytes, pmem::MapContent) {
  const std::string path = file->path().string();
  const auto* const simulated = dynamic_cast<const SimulatedFile*>(file.get());
  if (simulated == nullptr || &simulated->files() != &machine_.files()) {
    return Error(ErrorCode::kUnsupported,
                 "the file is not of this simulated machine; open it from its file_system()")
        .with_path(path);
  }
  if (bytes == 0 || bytes % kLineBytes != 0) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("a region of {} bytes is not a multiple of {}", bytes, kLineBytes))
        .with_path(path);
  }
  const std::uint64_t file_bytes = NACRE_TRY(file->size());
  if (file_bytes < bytes) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("the file has {} bytes, {} are to be mapped", file_bytes, bytes))
        .with_path(path);
  }
  return make_simulated_region(machine_, machine_.files().content(simulated->inode()), bytes);
}

}  // namespace nacre
