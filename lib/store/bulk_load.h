#pragma once

// Sorted pairs on their way into tables of their own, past the log. Nobody sees them, and nothing
// refers to the tables, before they are installed, all of them by one record of the manifest.
//
// Thread safety: one thread at a time, beside any use of the store.

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "lib/store/keyspace_core.h"
#include "lib/store/table.h"
#include "lib/store/table_builder.h"
#include "nacre/result.h"
#include "nacre/types.h"

namespace nacre::store {

class StoreCore;

class BulkLoadCore {
 public:
  /// `store` and `keyspace` are borrowed. A table that has `table_bytes` takes no further pair.
  BulkLoadCore(StoreCore& store, const KeyspaceCore& keyspace, std::uint64_t table_bytes);
  /// Removes what has been written, unless it was committed.
  ~BulkLoadCore();
  BulkLoadCore(const BulkLoadCore&) = delete;
  BulkLoadCore& operator=(const BulkLoadCore&) = delete;

  /// Errors: as nacre::BulkLoad::add and nacre::BulkLoad::commit.
  Status add(Bytes key, Bytes value);
  Status commit();

 private:
  Status check(Bytes key, Bytes value) const;
  Status write(Bytes key, Bytes value);
  Status finish_table();
  Result<std::vector<std::shared_ptr<Table>>> open_tables() const;
  void remove_files() noexcept;
  /// Keeps the error, and nothing else.
  Error abandon(Error failure);

  StoreCore& store_;
  const KeyspaceCore& keyspace_;
  const std::uint64_t table_bytes_;
  const Sequence begun_;  // What the entries are written with; the manifest says when they count.
  std::unique_ptr<TableBuilder> builder_;
  std::vector<TableInfo> made_;
  std::vector<std::byte> last_key_;
  std::uint64_t pairs_ = 0;
  std::optional<Error> over_;  // Why nothing can be added any more.
};

}  // namespace nacre::store
