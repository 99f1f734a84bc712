#pragma once

// Builds a table from entries in order. The file has a temporary name until it is whole.
//
// Thread safety: one thread at a time. Implements docs/format/table.md.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <vector>

#include "lib/store/entry.h"
#include "lib/store/hash_index.h"
#include "lib/store/memory_budget.h"
#include "lib/store/sparse_index.h"
#include "lib/store/table_format.h"
#include "lib/store/table_info.h"
#include "lib/store/table_sink.h"
#include "nacre/comparator.h"
#include "nacre/file_system.h"
#include "nacre/result.h"
#include "nacre/types.h"

namespace nacre::store {

class TableBuilder {
 public:
  struct Options {
    std::filesystem::path directory;  ///< Where tables lie; exists.
    TableId id;                       ///< Not 0; not that of a table that is there.
    Uuid store_uuid;
    TableOwner owner = {};
    Comparator comparator = Comparator::bytewise();
    /// Is told what the builder takes. Null, or outlives it.
    MemoryBudget* budget = nullptr;
  };

  /// Lifetime: `file_system` outlives the builder. Errors: `no_space`, `io`.
  static Result<std::unique_ptr<TableBuilder>> create(FileSystem& file_system, Options options);
  /// Removes the file, unless it was finished.
  ~TableBuilder();
  TableBuilder(const TableBuilder&) = delete;
  TableBuilder& operator=(const TableBuilder&) = delete;

  /// The next entry: of a key after the last one's, or an older one of the same key; behind an
  /// operand also one of the same sequence, which the same batch wrote before.
  /// Errors: `invalid_argument` (out of order, of no kind, a key of more than kMaxKeyBytes or a
  /// value of more than kMaxValueBytes, or no room: see `bytes`), after which the builder goes on
  /// as if nothing had been added; `no_space`, `io`, after which it takes nothing more.
  Status add(const Entry& entry);

  /// Everything in [begin, end) that has a lower sequence is gone. Any number, in any order.
  /// Errors: `invalid_argument` (`begin` is not before `end`, a key of more than kMaxKeyBytes, more
  /// than kMaxRemovalBytes in all).
  Status add_range_removal(Bytes begin, Bytes end, Sequence sequence);

  /// Bytes of all entries so far. No entry is taken behind kMaxTableDataEnd (32 GiB).
  std::uint64_t bytes() const noexcept { return sink_->offset() - kTableDataOffset; }

  /// DRAM for what is written behind the entries: indexes, above all.
  std::uint64_t memory_bytes() const noexcept {
    return hash_index_.memory_bytes() + sparse_index_.memory_bytes() + removals_.capacity();
  }

  /// Of all range removals of a table: both keys, and 16 bytes each.
  static constexpr std::size_t kMaxRemovalBytes = std::size_t{1} << 30;

  /// Writes what is left and gives the file its name. Nothing may be added afterwards.
  /// Durability: on success the content; the name is once the caller has synced the directory,
  /// which must be before anything refers to the table. After an error the file is gone; only a
  /// rename that failed half-way may leave it, which is then whole.
  /// Errors: `invalid_argument` (there is nothing in the table), `no_space`, `io`.
  Result<TableInfo> finish();

 private:
  TableBuilder(FileSystem& file_system, Options options);

  /// Whether the entry is of the last one's key. Errors: as `add`.
  Result<bool> check(const Entry& entry) const;
  Status append(const Entry& entry, bool older);
  void widen(Bytes key);
  void widen(Sequence sequence) noexcept;
  Status write_file();
  Status write_areas(TableHeader& header);
  TableHeader header() const noexcept;
  /// Keeps the error and removes the file.
  Error abandon(Error failure);

  FileSystem& file_system_;
  Options options_;
  std::filesystem::path unfinished_;
  std::unique_ptr<TableSink> sink_;
  std::optional<Error> failure_;
  bool finished_ = false;  // Nothing is left to remove.

  TableInfo info_;
  HashIndexBuilder hash_index_;
  SparseIndexBuilder sparse_index_;
  std::vector<std::byte> removals_;
  std::vector<std::byte> last_key_;
  Sequence last_sequence_;
  EntryKind last_kind_ = EntryKind::kPut;
  std::uint64_t last_entry_ = 0;
  MemoryCharge memory_;
};

}  // namespace nacre::store
