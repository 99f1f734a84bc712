#pragma once

// The persistence domain over files of a simulated machine: a region is a range of a file's own
// media, as on a file system with DAX.
//
// Thread safety: as SimulatedMachine.

#include "nacre/pmem.h"

namespace nacre {

class Machine;

class SimulatedDomain final : public pmem::Domain {
 public:
  /// Lifetime: `machine` outlives this, and every region.
  explicit SimulatedDomain(Machine& machine);

  const DomainInfo& info() const noexcept override { return info_; }
  bool synchronous() const noexcept override;
  OpenOptions open_options() const noexcept override { return {.writable = true}; }

  /// The region outlives the file, and its names. Errors, beside those of every Domain:
  /// `unsupported` for a file that is not of this machine.
  Result<std::unique_ptr<pmem::Region>> map(std::unique_ptr<File> file, std::size_t bytes,
                                            pmem::MapContent content) override;

 private:
  Machine& machine_;
  DomainInfo info_;
};

}  // namespace nacre
