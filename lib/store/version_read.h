#pragma once

// What the versions of a key come to for a reader: whether a range removal hides them, whether they
// have expired, and what operands make of them.
//
// Thread safety: every function may be called from any thread that pins the state it gives.

#include <cstdint>
#include <optional>
#include <vector>

#include "lib/store/entry.h"
#include "lib/store/keyspace_core.h"
#include "lib/store/read_states.h"
#include "nacre/result.h"
#include "nacre/types.h"

namespace nacre::store {

/// What a version other than an operand shows at `now_ms`, milliseconds since 1970: none when it is
/// a removal, or has expired.
std::optional<Bytes> visible_value(const Entry& version, std::uint64_t now_ms) noexcept;

/// False as a rule, and then `newest_removal` need not be asked.
bool has_range_removals(const ReadState& state, const KeyspaceCore& keyspace) noexcept;

/// The sequence of the newest range removal of `key`, of `at` or before: what is older is gone.
Sequence newest_removal(const ReadState& state, const KeyspaceCore& keyspace, Bytes key,
                        Sequence at);

/// The value of `key` as of `at`, where its newest version is an operand.
/// Errors: as TableCursor.
Result<std::vector<std::byte>> merged_value(const ReadState& state, const KeyspaceCore& keyspace,
                                            Bytes key, Sequence at, std::uint64_t now_ms);

}  // namespace nacre::store
