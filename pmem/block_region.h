#pragma once

// The block domain: an image in DRAM, written out in whole 4-KiB blocks.
//
// Nothing but a commit makes bytes durable. All regions of a domain share one engine for file I/O.
// After the first failed write a region refuses every further commit with that first error: nobody
// knows what the media hold then. Thread safety: as nacre/pmem.h says.

#include <memory>

#include "nacre/file_system.h"

#include "nacre/pmem.h"

namespace nacre::pmem {

inline constexpr std::size_t kBlockBytes = 4096;

/// `info.kind` is kBlock. `file_system` is where the files of its regions come from; it outlives
/// the domain.
/// Errors: as make_io_backend; of a given `io.backend`, `invalid_argument` when it is made for one
/// thread, `busy` while another domain has it.
Result<std::unique_ptr<Domain>> make_block_domain(DomainInfo info, FileSystem& file_system,
                                                  const BlockIo& io = {});

}  // namespace nacre::pmem
