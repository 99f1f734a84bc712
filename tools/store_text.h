#pragma once

// What stands in a store's log, for a person.

#include <string>
#include <string_view>

#include "nacre/types.h"

namespace nacre::tools {

/// "put", "remove", ...; "unknown" of what this version does not know.
std::string_view entry_kind_name(std::uint8_t kind) noexcept;

/// The writes of one record: "put users/alice = {...}", of a batch one behind the other. Keyspaces
/// stand there as their numbers.
std::string store_writes_text(Bytes record);

/// A record of the manifest: "+ keyspace 1 users (nacre.bytewise); + table 5 in level 0 of 1".
std::string manifest_record_text(Bytes record);

}  // namespace nacre::tools
