// A copy of the store at one moment, made of its tables.

#include <utility>

#include "lib/base/try.h"
#include "lib/store/new_store.h"
#include "lib/store/store_core.h"

namespace nacre::store {

StoreOptions StoreCore::options_of_copy() const {
  StoreOptions options = options_;
  const wal::OwnedEnvironment& environment = log_.set().environment();
  options.segment_bytes = log_.set().superblock().segment_bytes;
  options.environment.file_system = &environment.file_system();
  options.environment.clock = &environment.clock();
  options.environment.random = &environment.random();
  options.environment.executor = &environment.executor();
  // It serves one log alone.
  options.environment.io = nullptr;
  return options;
}

Status StoreCore::checkpoint(const std::filesystem::path& target) {
  if (states_ == nullptr) return store_closed();
  // The copy's tables are this store's, so that it must be called as they are.
  const auto copy =
      NACRE_TRY(NewStore::begin(target, options_of_copy(), log_.set().superblock().uuid));
  // Then what was acknowledged before is in tables, and no log is needed.
  NACRE_TRY(flush());
  std::optional<UnusedTables::Hold> hold;
  ManifestState state;
  {
    MutexLock lock(mutex_);
    if (closed_) return store_closed();
    state = manifest_->state();
    hold.emplace(unused_.hold());
  }
  for (const auto& [id, keyspace] : state.keyspaces) {
    for (const auto& [table, record] : keyspace.tables) {
      if (closing_.load(std::memory_order_relaxed)) return store_closed();
      NACRE_TRY(copy->take_table(table_directory(), TableId{table}));
    }
  }
  return copy->finish(state);
}

}  // namespace nacre::store
