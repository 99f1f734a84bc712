#pragma once

// Merges tables that hold whatever was found of one keyspace into tables that hold it once.
//
// Thread safety: one thread at a time.

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "lib/store/manifest.h"
#include "lib/store/table_builder.h"
#include "lib/store/table_set.h"
#include "nacre/comparator.h"
#include "nacre/result.h"

namespace nacre::store {

/// Tables of the new store, and how much is in them.
struct MergedTables {
  std::vector<TableRecord> tables;
  std::uint64_t entries = 0;
  std::uint64_t operands = 0;  ///< Of them, those of a merge operator.
  Sequence newest;
};

/// Every version of `sources` goes into tables of level 1; one that several of them hold counts
/// once. Range removals have a table of their own, of level 0. `begin_table`: the builder of the
/// next one.
/// Errors: as TableCursor and TableBuilder.
Result<MergedTables> merge_salvaged(
    std::span<const TableHandle> sources, const Comparator& order,
    const std::function<Result<std::unique_ptr<TableBuilder>>()>& begin_table);

}  // namespace nacre::store
