#pragma once

// Which keyspaces a repaired store gets: those that the manifest still knows, those of which only
// tables tell, and one for whatever nothing tells of.
//
// Thread safety: one thread at a time.

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/store/inspect.h"
#include "lib/store/manifest.h"
#include "lib/store/salvage_manifest.h"
#include "lib/store/table_set.h"
#include "nacre/comparator.h"
#include "nacre/file_system.h"
#include "nacre/result.h"
#include "nacre/store.h"
#include "nacre/types.h"

namespace nacre::store {

/// A keyspace of the new store, and where what is in it was found.
struct SalvagedKeyspace {
  KeyspaceRecord record;
  Comparator order;
  std::vector<TableHandle> sources;
};

class SalvagedKeyspaces {
 public:
  /// All of them are borrowed. `from`: the damaged store, whose UUID is `uuid`. What has to be
  /// assumed is noted in `notes`.
  SalvagedKeyspaces(const std::filesystem::path& from, const Uuid& uuid,
                    const StoreOptions& options, FileSystem& file_system,
                    const SalvagedManifest& manifest, std::vector<std::string>& notes)
      : from_(from),
        uuid_(uuid),
        options_(options),
        file_system_(file_system),
        manifest_(manifest),
        notes_(notes) {}

  /// Errors, of all that add keyspaces: `invalid_argument` (`options` lacks a comparator).
  Status add_known();
  Status add_default();
  /// The one that a table which nothing names says it is of.
  Status add_owner_of(TableId table);
  /// That of a table which nothing names; null where it was dropped. Lifetime: as of a std::map's.
  Result<SalvagedKeyspace*> of_unnamed(TableId table);
  /// That of a write in the log; null where it was dropped.
  Result<const Comparator*> order_of(std::uint32_t keyspace);

  std::map<std::uint32_t, SalvagedKeyspace>& all() noexcept { return all_; }
  std::uint32_t next_id() const;

 private:
  Result<SalvagedKeyspace*> add(KeyspaceRecord record);
  KeyspaceRecord unknown(std::uint32_t id, std::string_view comparator) const;
  KeyspaceRecord of_owner(const TableOwner& owner, std::string_view comparator) const;
  std::optional<Comparator> find_order(std::string_view name) const;
  bool is_free(std::string_view name) const;
  TableNames names_in(TableId table) const;

  const std::filesystem::path& from_;
  const Uuid& uuid_;
  const StoreOptions& options_;
  FileSystem& file_system_;
  const SalvagedManifest& manifest_;
  std::vector<std::string>& notes_;
  std::map<std::uint32_t, SalvagedKeyspace> all_;
};

}  // namespace nacre::store
