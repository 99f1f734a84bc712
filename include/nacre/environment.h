#pragma once

// Everything nacre takes from the world outside, in one place.

#include "nacre/clock.h"
#include "nacre/executor.h"
#include "nacre/file_system.h"
#include "nacre/pmem.h"
#include "nacre/random.h"

namespace nacre {

/// Borrowed seams; each must outlive what is opened with it. A null member means the real thing:
/// the kernel's files, clocks and random numbers, a thread pool of the log's own, and the domain
/// found by `pmem::choose_domain`.
struct Environment {
  FileSystem* file_system = nullptr;
  Clock* clock = nullptr;
  RandomSource* random = nullptr;
  Executor* executor = nullptr;
  pmem::Domain* domain = nullptr;
};

}  // namespace nacre
