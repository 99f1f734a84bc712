#include "lib/store/salvage_manifest.h"

#include <algorithm>
#include <utility>

#include "lib/store/manifest_format.h"

namespace nacre::store {

void SalvagedManifest::add(Bytes record) {
  if (says_everything(record)) {
    ManifestState all;
    if (!apply_record(record, all)) return lose();
    return add_all(std::move(all));
  }
  const auto edit = decode_edit(record);
  if (!edit) return lose();
  add_edit(*edit);
}

void SalvagedManifest::add_all(ManifestState all) {
  // Whatever was lost before, or did not fit.
  is_whole_ = true;
  for (const auto& [id, keyspace] : state_.keyspaces) {
    if (!all.keyspaces.contains(id)) dropped_.insert(id);
    for (const auto& [table, record] : keyspace.tables) removed_.insert(table);
  }
  state_ = std::move(all);
  for (const auto& [id, keyspace] : state_.keyspaces) {
    for (const auto& [table, record] : keyspace.tables) removed_.erase(table);
  }
}

/// In the order of `apply`, but nothing in it has to fit to what is known.
void SalvagedManifest::add_edit(const ManifestEdit& edit) {
  ManifestState strict = state_;
  if (!apply(edit, strict)) lose();
  for (const KeyspaceRecord& keyspace : edit.new_keyspaces) {
    state_.keyspaces.emplace(keyspace.id, keyspace);
    state_.next_keyspace = std::max(state_.next_keyspace, keyspace.id + 1);
  }
  for (const ManifestEdit::Table& table : edit.removed_tables) {
    removed_.insert(table.table.id);
    const auto keyspace = state_.keyspaces.find(table.keyspace);
    if (keyspace != state_.keyspaces.end()) keyspace->second.tables.erase(table.table.id);
  }
  for (const ManifestEdit::Table& table : edit.new_tables) {
    // Of a keyspace whose making is lost nothing but its id is known.
    KeyspaceRecord& keyspace = state_.keyspaces[table.keyspace];
    keyspace.id = table.keyspace;
    keyspace.tables.insert_or_assign(table.table.id, table.table);
    removed_.erase(table.table.id);
  }
  for (const std::uint32_t id : edit.dropped_keyspaces) {
    dropped_.insert(id);
    const auto keyspace = state_.keyspaces.find(id);
    if (keyspace == state_.keyspaces.end()) continue;
    for (const auto& [table, record] : keyspace->second.tables) removed_.insert(table);
    state_.keyspaces.erase(keyspace);
  }
  state_.flushed_through = std::max(state_.flushed_through, edit.flushed_through);
}

}  // namespace nacre::store
