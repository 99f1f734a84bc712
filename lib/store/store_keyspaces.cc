// Keyspaces: made, found and dropped while the store is open.

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "lib/base/try.h"
#include "lib/store/keyspace_options.h"
#include "lib/store/state_keyspaces.h"
#include "lib/store/store_core.h"

namespace nacre::store {
namespace {

constexpr std::size_t kMaxNameBytes = 255;

Status check_name(std::string_view name) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  };
  if (!name.empty() && name.size() <= kMaxNameBytes && std::ranges::all_of(name, allowed)) {
    return {};
  }
  return Error(ErrorCode::kInvalidArgument,
               "a keyspace's name has 1 to 255 letters, digits, '.', '_' and '-'");
}

}  // namespace

KeyspaceCore& StoreCore::add_keyspace(std::uint32_t id, std::string name, Comparator comparator,
                                      std::optional<MergeOperator> merge) {
  const auto index = static_cast<std::uint32_t>(keyspaces_.size());
  return *keyspaces_.emplace_back(std::make_unique<KeyspaceCore>(
      id, index, std::move(name), std::move(comparator), std::move(merge)));
}

std::shared_ptr<const KeyspaceMap> StoreCore::keyspace_map() const {
  auto map = std::make_shared<KeyspaceMap>();
  for (const auto& keyspace : keyspaces_) {
    if (!keyspace->is_dropped()) map->emplace(keyspace->id(), keyspace.get());
  }
  return map;
}

Result<KeyspaceCore*> StoreCore::find_keyspace(std::string_view name) const {
  if (states_ == nullptr) return store_closed();
  const ReadPin pin = states_->pin();
  return store::find_keyspace(ReadStates::state(pin), name);
}

std::vector<std::string> StoreCore::keyspace_names() const {
  if (states_ == nullptr) return {};
  const ReadPin pin = states_->pin();
  return store::keyspace_names(ReadStates::state(pin));
}

Result<KeyspaceCore*> StoreCore::create_keyspace(std::string_view name,
                                                 const KeyspaceOptions& options) {
  NACRE_TRY(check_name(name));
  NACRE_TRY(check_custom(options.comparator, options.merge));
  MutexLock lock(mutex_);
  if (closed_) return store_closed();
  if (find_keyspace(name)) {
    return Error(ErrorCode::kBusy, fmt::format("the keyspace \"{}\" exists already", name));
  }
  if (keyspaces_.size() == kMaxKeyspaces) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("{} keyspaces have been made since the store was opened; open it "
                             "again to make more",
                             kMaxKeyspaces));
  }
  // The keyspace must be in the manifest, durably, before anything is written to it.
  const std::uint32_t id = manifest_->state().next_keyspace;
  ManifestEdit edit;
  edit.new_keyspaces.push_back(
      {.id = id,
       .name = std::string(name),
       .comparator = std::string(options.comparator.name()),
       .merge_operator = std::string(options.merge ? options.merge->name() : std::string_view())});
  NACRE_TRY(manifest_->commit(edit));
  KeyspaceCore& made = add_keyspace(id, std::string(name), options.comparator, options.merge);
  ReadState next = states_->newest();
  next.keyspaces = keyspace_map();
  publish(std::move(next));
  return &made;
}

Status StoreCore::drop_keyspace(KeyspaceCore& keyspace) {
  MutexLock lock(mutex_);
  if (closed_) return store_closed();
  if (&keyspace == default_keyspace_) {
    return Error(ErrorCode::kInvalidArgument,
                 "the default keyspace cannot be dropped; remove what is in it");
  }
  if (keyspace.is_dropped()) return keyspace_dropped(keyspace.name());
  ManifestEdit edit;
  edit.dropped_keyspaces.push_back(keyspace.id());
  NACRE_TRY(manifest_->commit(edit));
  keyspace.drop();
  ReadState next = states_->newest();
  std::vector<TableHandle> dropped;
  if (const KeyspaceLevels* levels = next.tables->find(keyspace.index()); levels != nullptr) {
    for (const auto& level : levels->levels)
      dropped.insert(dropped.end(), level.begin(), level.end());
    next.tables = next.tables->with(keyspace.index(), nullptr);
  }
  next.keyspaces = keyspace_map();
  publish(std::move(next));
  unused_.remove(dropped);
  return {};
}

}  // namespace nacre::store
