#pragma once

// Which keyspaces a repaired store gets: those that the manifest still knows, and one for whatever
// it does not.
//
// Thread safety: one thread at a time.

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/store/manifest.h"
#include "lib/store/salvage_manifest.h"
#include "lib/store/table_set.h"
#include "nacre/comparator.h"
#include "nacre/file_system.h"
#include "nacre/result.h"
#include "nacre/store.h"

namespace nacre::store {

/// A keyspace of the new store, and where what is in it was found.
struct SalvagedKeyspace {
  KeyspaceRecord record;
  Comparator order;
  std::vector<TableHandle> sources;
};

class SalvagedKeyspaces {
 public:
  /// All of them are borrowed. `from`: the damaged store. What has to be assumed is noted in
  /// `notes`.
  SalvagedKeyspaces(const std::filesystem::path& from, const StoreOptions& options,
                    FileSystem& file_system, const SalvagedManifest& manifest,
                    std::vector<std::string>& notes)
      : from_(from),
        options_(options),
        file_system_(file_system),
        manifest_(manifest),
        notes_(notes) {}

  /// Errors, of all that add keyspaces: `invalid_argument` (`options` lacks a comparator).
  Status add_known();
  Status add_default();
  /// That of a table which nothing names. Lifetime: as of a std::map's.
  Result<SalvagedKeyspace*> of_unnamed(TableId table);
  /// That of a write in the log; null where it was dropped.
  Result<const Comparator*> order_of(std::uint32_t keyspace);

  std::map<std::uint32_t, SalvagedKeyspace>& all() noexcept { return all_; }
  std::uint32_t next_id() const;

 private:
  Result<SalvagedKeyspace*> add(KeyspaceRecord record);
  KeyspaceRecord unknown(std::uint32_t id, std::string_view comparator) const;
  std::optional<Comparator> find_order(std::string_view name) const;
  std::string order_in(TableId table) const;
  std::string order_in_tables(const KeyspaceRecord& keyspace) const;

  const std::filesystem::path& from_;
  const StoreOptions& options_;
  FileSystem& file_system_;
  const SalvagedManifest& manifest_;
  std::vector<std::string>& notes_;
  std::map<std::uint32_t, SalvagedKeyspace> all_;
};

}  // namespace nacre::store
