#pragma once

// The directory of a store in the making: tables are put into it, then a manifest that names them,
// and at the end it gets its name. Until then it is called TARGET.unfinished, so that nobody takes
// a part of it for a store; what a crash leaves of it goes when the same target is made again.
//
// Thread safety: one thread at a time. One maker for one target at a time, which a lock sees to.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>

#include "lib/store/manifest.h"
#include "lib/store/table_format.h"
#include "nacre/result.h"
#include "nacre/store.h"
#include "wal/lane_set.h"

namespace nacre::store {

class NewStore {
 public:
  /// `uuid`: who the store is; none: somebody new. Of `options`, all that concerns the log counts.
  /// Errors: `busy` (there is something in `target`, or somebody is making it), `invalid_argument`
  /// (it is a file), `not_found` (its parent is not there), `unsupported` (no such domain there),
  /// `no_space`, `io`.
  static Result<std::unique_ptr<NewStore>> begin(const std::filesystem::path& target,
                                                 const StoreOptions& options,
                                                 std::optional<Uuid> uuid);
  /// Removes what has been made, unless it was finished.
  ~NewStore();
  NewStore(const NewStore&) = delete;
  NewStore& operator=(const NewStore&) = delete;

  std::filesystem::path table_directory() const;
  const Uuid& uuid() const noexcept { return log_->superblock().uuid; }

  /// Puts the table `id` of `from`, a directory of tables of the same store, beside the others: as
  /// a link where the file system can, else as a copy, which is durable, but for its name.
  /// Errors: `not_found`, `no_space`, `io`.
  Status take_table(const std::filesystem::path& from, TableId id);

  /// Every table that `state` names has been put here, finished.
  /// Durability: durable on success, in the sense of the domain. Errors: as nacre::Lane::append;
  /// `busy` (somebody has put something where the target is to be).
  Status finish(const ManifestState& state);

 private:
  NewStore(std::filesystem::path target, std::filesystem::path unfinished)
      : target_(std::move(target)), unfinished_(std::move(unfinished)) {}
  FileSystem& file_system() const noexcept { return log_->environment().file_system(); }

  const std::filesystem::path target_;
  const std::filesystem::path unfinished_;
  wal::LaneSetHandle log_;
  bool finished_ = false;
};

}  // namespace nacre::store
