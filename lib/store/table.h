#pragma once

// A hot table: a sorted, immutable, mapped file of entries, read where it lies and without a cache.
//
// Indexes are verified at open, data a block at a time at their first reading. A read that meets
// damage ends with `corruption`, one that meets media it cannot read with `io`; both name file and
// offset, and leave the table as it was. What was read is good when it is handed out; somebody who
// cuts the file short afterwards takes the bytes away under the views, and whoever looks into them
// then gets SIGBUS (see `look`).
//
// Implements docs/format/table.md. Thread safety: immutable; every member from any thread.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "lib/store/entry.h"
#include "lib/store/hash_index.h"
#include "lib/store/sparse_index.h"
#include "lib/store/table_data.h"
#include "lib/store/table_format.h"
#include "lib/store/table_hash.h"
#include "lib/store/table_info.h"
#include "mmap/file_view.h"
#include "nacre/comparator.h"
#include "nacre/file_system.h"
#include "nacre/result.h"
#include "nacre/types.h"
#include "pmem/media_guard.h"

namespace nacre::store {

class Table {
 public:
  struct Options {
    std::filesystem::path directory;
    TableId id;
    Uuid store_uuid;
    Comparator comparator = Comparator::bytewise();
    /// See `date`.
    Sequence since = {};
    /// `kWhole` has all pages mapped at once; the indexes always are.
    ViewAccess access = ViewAccess::kOnDemand;
  };

  /// Errors: `not_found`, `corruption` (header, indexes or size; the table of another store),
  /// `unsupported` (newer format), `invalid_argument` (the keys were sorted by another
  /// comparator), `io`.
  static Result<std::shared_ptr<const Table>> open(FileSystem& file_system, const Options& options);

  /// The same of a table that nobody reads yet.
  static Result<std::shared_ptr<Table>> open_apart(FileSystem& file_system, const Options& options);
  /// Every entry counts as written at `since`, or when the file says if that is later: when a table
  /// that was loaded is written nobody knows yet at which moment it will be seen. Before anybody
  /// else reads. REQUIRES: no range removals, and one version of each key.
  void date(Sequence since) noexcept;
  Sequence since() const noexcept { return since_; }

  const TableInfo& info() const noexcept { return info_; }
  const std::filesystem::path& path() const noexcept { return path_; }
  /// In the order they were added. Lifetime: views, valid as long as the table.
  std::span<const RangeRemoval> removals() const noexcept { return removals_; }

  /// The newest entry of `key` with a sequence of `at` at most, if there is one. Of range removals
  /// it knows nothing. Lifetime: views, valid as long as the table. Errors: `corruption`, `io`.
  Result<std::optional<Entry>> find(Bytes key, Sequence at = kNewest) const {
    return find(key, table_hash(key), at);
  }
  /// The same with `hash`, which is `table_hash(key)`: for somebody who asks several tables.
  Result<std::optional<Entry>> find(Bytes key, std::uint64_t hash, Sequence at) const;

  /// Has what a `find` of `hash` reads first brought into the cache; does not wait.
  void prefetch(std::uint64_t hash) const noexcept { hash_index_.prefetch({hash}); }
  /// The second step, for many keys together, some time after their `prefetch`: has the entries
  /// brought in that the index names.
  void prefetch_entries(std::span<const std::uint64_t> hashes) const noexcept;

  /// Bytes of the entries from `begin` up to but not including `end`. Errors: as `find`.
  Result<std::uint64_t> approximate_bytes(Bytes begin, Bytes end) const;

  /// Reads and checks all of the file, whatever was verified before. The first damage is the
  /// error. Errors: `corruption`, `io`.
  Status verify() const;

  /// Runs `body()`, which looks into bytes of this table. Errors: `io`: media cannot be read, and
  /// `body` was abandoned where it stood. See pmem/media_guard.h for what it may hold.
  template <class Body>
  Status look(Body&& body) const {
    const std::byte* fault = pmem::catch_media_fault(view_->bytes(), std::forward<Body>(body));
    if (fault == nullptr) return {};
    return unreadable(fault);
  }

  /// DRAM that the table takes, beside its mapping.
  std::size_t memory_bytes() const noexcept;

 private:
  friend class TableCursor;
  struct Lookup;

  Table(std::filesystem::path path, std::shared_ptr<const FileView> view, const TableHeader& header,
        const Options& options);

  Bytes area(const TableArea& area) const noexcept {
    return view_->bytes().subspan(area.offset, area.bytes);
  }
  Status load(const Options& options);
  bool verify_areas(ReadProblem& problem) const noexcept;
  bool read_removals(ReadProblem& problem);
  Status check_names(const Options& options);
  void look_up(Lookup& lookup) const noexcept;
  void walk_versions(Lookup& lookup) const noexcept;
  Result<std::optional<Entry>> find_version(Bytes key, Sequence at) const;
  Error damaged(const ReadProblem& problem) const;
  Error unreadable(const std::byte* fault) const;

  std::filesystem::path path_;
  std::shared_ptr<const FileView> view_;
  TableHeader header_;
  Comparator comparator_;
  TableData data_;
  HashIndex hash_index_;
  SparseIndex sparse_index_;
  Bytes prefix_;
  std::vector<RangeRemoval> removals_;
  TableInfo info_;
  Sequence since_{};
};

}  // namespace nacre::store
