#pragma once

// What can still be read of a damaged table: every entry all of whose blocks have checksums that
// hold. Where a block ends the reading, it goes on at the next entry that an index knows, and walks
// back from there to the first one behind the damage.
//
// Thread safety: pure functions of the file.

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "lib/store/table_builder.h"
#include "lib/store/table_format.h"
#include "nacre/file_system.h"
#include "nacre/result.h"
#include "nacre/store_repair.h"

namespace nacre::store {

struct SalvagedTable {
  std::uint64_t entries = 0;
  std::uint64_t removals = 0;
};

/// Adds what the table in `path` still holds to `to`, which has the same order, and what it does
/// not to `losses`.
/// Errors: `no_space`, `io`: of `to`.
Result<SalvagedTable> salvage_table(FileSystem& file_system, const std::filesystem::path& path,
                                    TableBuilder& to, std::vector<RepairLoss>& losses);

}  // namespace nacre::store
