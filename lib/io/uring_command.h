#pragma once

// A step on an NVMe namespace as a command in a ring (Linux 5.19): past file system, page cache and
// block layer. The ring's entries are twice as large as others (SQE128, CQE32), for the command
// lies in them.
//
// One command carries at most NvmeNamespace::max_command_bytes; a longer transfer goes on with the
// next when that has ended. Nothing may be linked behind a command: the kernel takes one that the
// device has failed for a success (a status is no errno).
//
// Thread safety: none.

#include <liburing.h>

#include "lib/io/nvme_file.h"
#include "lib/io/uring_step.h"

namespace nacre {

/// Whether `step` is a command; if not, `file` itself carries it out, or says what is wrong.
bool fits_command(const UringStep& step, const NvmeFile& file, const UringAbilities& can);

/// Turns `step`, which `fits_command`, into all of `sqe` but its descriptor.
void prepare_command(UringStep& step, const NvmeFile& file, const UringAbilities& can,
                     const UringTables& tables, io_uring_sqe& sqe);

}  // namespace nacre
