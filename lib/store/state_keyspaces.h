#pragma once

// The keyspaces of a store or of a view, as one state of it has them.
//
// Thread safety: of values that do not change. Lifetime: a state is pinned, or somebody's own.

#include <string>
#include <string_view>
#include <vector>

#include "lib/store/read_states.h"
#include "nacre/result.h"
#include "nacre/store_stats.h"

namespace nacre::store {

/// Errors: `not_found`.
Result<KeyspaceCore*> find_keyspace(const ReadState& state, std::string_view name);

/// In the order in which they were created.
std::vector<std::string> keyspace_names(const ReadState& state);

/// What the tables of each hold.
std::vector<KeyspaceStats> keyspace_stats(const ReadState& state);

}  // namespace nacre::store
