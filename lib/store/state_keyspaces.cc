#include "lib/store/state_keyspaces.h"

#include <fmt/format.h>

#include "lib/store/keyspace_core.h"

namespace nacre::store {

Result<KeyspaceCore*> find_keyspace(const ReadState& state, std::string_view name) {
  for (const auto& [id, keyspace] : *state.keyspaces) {
    if (keyspace->name() == name) return keyspace;
  }
  return Error(ErrorCode::kNotFound,
               fmt::format("there is no keyspace \"{}\"; keyspaces() names those there are, and "
                           "Store::create_keyspace makes another",
                           name));
}

std::vector<std::string> keyspace_names(const ReadState& state) {
  std::vector<std::string> names;
  for (const auto& [id, keyspace] : *state.keyspaces) names.push_back(keyspace->name());
  return names;
}

}  // namespace nacre::store
