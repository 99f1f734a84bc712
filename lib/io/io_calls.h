#pragma once

// A request as plain calls of the File and FileSystem seams: what the POSIX engine does with all of
// them, and io_uring with those that have no operation of the ring.

#include "nacre/file_system.h"
#include "nacre/io.h"

namespace nacre {

/// Carries `operation` out, without its chain, and waits for it. An exception from an
/// implementation of File ends up in its outcome.
void carry_out(FileSystem& file_system, IoOperation& operation) noexcept;

}  // namespace nacre
