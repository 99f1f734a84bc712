#pragma once

// A store that somebody else may have open, as it was at one moment: its tables, and what of its
// log is in none.
//
// Thread safety: every member but `open` may be called from any thread.

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/thread_annotations.h"
#include "lib/store/inspect.h"
#include "lib/store/keyspace_core.h"
#include "lib/store/log_cut.h"
#include "lib/store/read_states.h"
#include "lib/store/state_reader.h"
#include "lib/store/store_cursor.h"
#include "lib/store/table_set.h"
#include "nacre/clock.h"
#include "nacre/file_system.h"
#include "nacre/result.h"
#include "nacre/store.h"
#include "nacre/store_view.h"
#include "wal/log_listing.h"

namespace nacre::store {

class ViewCore {
 public:
  /// Errors: as nacre::StoreView::open.
  static Result<std::unique_ptr<ViewCore>> open(const std::filesystem::path& directory,
                                                StoreOptions options);
  ViewCore(const ViewCore&) = delete;
  ViewCore& operator=(const ViewCore&) = delete;

  Status refresh() EXCLUDES(mutex_);

  Result<std::optional<PinnedValue>> get(const KeyspaceCore& keyspace, Bytes key) const;
  Result<std::vector<std::optional<PinnedValue>>> multi_get(const KeyspaceCore& keyspace,
                                                            std::span<const Bytes> keys) const;
  std::unique_ptr<StoreCursor> iterate(const KeyspaceCore& keyspace,
                                       const ReadOptions& options) const;
  Result<KeyspaceCore*> find_keyspace(std::string_view name) const;
  std::vector<std::string> keyspace_names() const;
  StoreViewStats stats() const EXCLUDES(shown_mutex_);
  KeyspaceCore& default_keyspace() const noexcept { return *default_keyspace_; }

 private:
  ViewCore(std::filesystem::path directory, StoreOptions options);

  /// What a look has found.
  struct Look {
    ReadState state;
    Lsn moment;
    std::uint64_t records = 0;
    std::uint64_t looks = 0;  // Those before it, and this one.
  };
  /// None when the writer changed too much meanwhile: to be tried again.
  Result<std::optional<Look>> look() REQUIRES(mutex_);
  void show(Look found) REQUIRES(mutex_);
  Result<bool> is_flushed_through(Lsn lsn) const;
  KeyspaceRecord unwritten_default() const;
  Status take_keyspaces(const ManifestState& state) REQUIRES(mutex_);
  /// Null when a table has gone meanwhile.
  Result<std::shared_ptr<const TableSet>> open_tables(const ManifestState& state) REQUIRES(mutex_);
  Result<TableHandle> open_table(const KeyspaceCore& keyspace, const TableRecord& record)
      REQUIRES(mutex_);

  const std::filesystem::path directory_;
  const StoreOptions options_;
  PosixFileSystem posix_;
  SystemClock system_clock_;
  FileSystem& file_system_;
  const StateReader reader_;
  wal::LogLocation log_;

  mutable Mutex mutex_;
  std::vector<std::unique_ptr<KeyspaceCore>> keyspaces_ GUARDED_BY(mutex_);  // By index.
  /// Those that are not dropped, by id.
  KeyspaceMap by_id_ GUARDED_BY(mutex_);
  std::map<std::uint64_t, TableHandle> tables_ GUARDED_BY(mutex_);  // Of the newest state.
  KeyspaceCore* default_keyspace_ = nullptr;
  /// Of the newest state; under `mutex_`, which is held while the store is read.
  mutable Mutex shown_mutex_;
  StoreViewStats shown_ GUARDED_BY(shown_mutex_);  // But for what a state says itself.
  std::unique_ptr<ReadStates> states_;             // Goes first.
};

}  // namespace nacre::store
