#pragma once

// What a keyspace's record names, and only the program that opens the store knows.
//
// Thread safety: pure functions.

#include <filesystem>
#include <optional>

#include "lib/store/manifest.h"
#include "nacre/comparator.h"
#include "nacre/merge_operator.h"
#include "nacre/result.h"
#include "nacre/store.h"

namespace nacre::store {

/// Errors, of both: `invalid_argument` when `options` does not have it; names `directory`.
Result<Comparator> comparator_of(const KeyspaceRecord& keyspace, const StoreOptions& options,
                                 const std::filesystem::path& directory);
Result<std::optional<MergeOperator>> merge_operator_of(const KeyspaceRecord& keyspace,
                                                       const StoreOptions& options,
                                                       const std::filesystem::path& directory);

/// `invalid_argument` for an order or an operator whose name would not lead back to it when the
/// store is opened again: an empty one, or one of nacre's own orders; and for one without a
/// function.
Status check_custom(const Comparator& comparator, const std::optional<MergeOperator>& merge);

/// `corruption` for a table that is not there: the manifest names it, and so it was.
Error lost_if_missing(const Error& error);

}  // namespace nacre::store
