#pragma once

// Saves what there is of a damaged store into a new one.
//
// All that is found, whatever table or record of the log it stands in, is merged by key and
// sequence into tables of the new store's own, with every version: so it does not matter what the
// manifest has forgotten, and nothing that a merge operator or an old snapshot would need is
// decided here. Memory: a segment of the log, and an entry of each table.

#include <filesystem>

#include "nacre/result.h"
#include "nacre/store.h"

namespace nacre::store {

/// Errors: as nacre::Store::repair.
Result<RepairReport> repair(const std::filesystem::path& from, const std::filesystem::path& to,
                            const StoreOptions& options);

}  // namespace nacre::store
