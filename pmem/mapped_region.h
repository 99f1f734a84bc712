#pragma once

// The domains whose regions are mapped files: durable cache, cache line, and emulated.
//
// A region of theirs is durable as soon as a fence returns; the emulated one only against a crash
// of the process. Thread safety: as nacre/pmem.h says.

#include <memory>

#include "nacre/pmem.h"
#include "pmem/copy_routines.h"
#include "pmem/store_key.h"

namespace nacre::pmem {

/// `info.kind` is kDurableCache, kCacheLine or kEmulated and decides how files are mapped and
/// whether lines are flushed.
/// `key`: its regions are protected by it; they do not take plain stores.
/// Lifetime: `routines` is borrowed and outlives the domain and its regions.
std::unique_ptr<Domain> make_mapped_domain(DomainInfo info,
                                           const CopyRoutines& routines = best_copy_routines(),
                                           StoreKey key = {});

}  // namespace nacre::pmem
