#pragma once

// Everything nacre takes from the world outside, in one place.

#include "nacre/clock.h"
#include "nacre/executor.h"
#include "nacre/file_system.h"
#include "nacre/io.h"
#include "nacre/pmem.h"
#include "nacre/random.h"

namespace nacre {

/// Borrowed seams; each must outlive what is opened with it. A null member means the real thing:
/// the kernel's files, clocks and random numbers, a thread pool of the log's own, the domain found
/// by `pmem::choose_domain`, and an engine made by `make_io_backend`.
struct Environment {
  FileSystem* file_system = nullptr;
  Clock* clock = nullptr;
  RandomSource* random = nullptr;
  Executor* executor = nullptr;
  pmem::Domain* domain = nullptr;
  /// What the block domain writes through. It serves this log alone, and is not one of
  /// `single_thread`: opening is refused with `busy` and `invalid_argument`. A backend of one's own
  /// says that it `holds` the log's lock, or opening is refused with `unsupported`.
  IoBackend* io = nullptr;
};

}  // namespace nacre
