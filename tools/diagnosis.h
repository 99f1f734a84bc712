#pragma once

// What a directory and this machine offer a log, and what a person could improve.

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "nacre/io.h"
#include "nacre/pmem.h"
#include "nacre/result.h"
#include "pmem/probe.h"
#include "tools/machine_probe.h"

namespace nacre::tools {

struct Diagnosis {
  pmem::DirectoryProbe directory;
  std::uint64_t free_bytes = 0;
  Result<DomainInfo> power;    // What --durability power gets.
  Result<DomainInfo> process;  // What --durability process gets.
  pmem::CpuProbe cpu;
  KernelProbe kernel;
  MemoryProbe memory;
  IoUringProbe io_uring;
  IoBackendInfo io_engine;  // What file I/O is carried out with.
  std::vector<std::string> advice = {};
};

/// Looks at `directory`, in which a file is created and removed, and at the machine.
/// Errors: as `pmem::probe_directory`.
Result<Diagnosis> examine(const std::filesystem::path& directory);

/// Sentences for a person: what stands in the way of speed or safety, and what to do about it.
std::vector<std::string> find_advice(const Diagnosis& diagnosis);

}  // namespace nacre::tools
