#pragma once

// The block domain: an image in DRAM, written out in whole 4-KiB blocks.
//
// Nothing but `commit` makes bytes durable. After the first failed write a region refuses every
// further commit with that first error: nobody knows what the media hold then.
// Thread safety: as nacre/pmem.h says.

#include <memory>

#include "nacre/pmem.h"

namespace nacre::pmem {

inline constexpr std::size_t kBlockBytes = 4096;

/// `info.kind` is kBlock.
std::unique_ptr<Domain> make_block_domain(DomainInfo info);

}  // namespace nacre::pmem
