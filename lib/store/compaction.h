#pragma once

// Merges tables into others that hold the same, without what nobody can see any more.
//
// Thread safety: one thread at a time.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "lib/store/compaction_picker.h"
#include "lib/store/key_versions.h"
#include "lib/store/removal_fragments.h"
#include "lib/store/table_builder.h"
#include "nacre/result.h"

namespace nacre::store {

class CompactionRun {
 public:
  struct Options {
    /// Makes the builder of the next table.
    std::function<Result<std::unique_ptr<TableBuilder>>()> begin_table;
    /// A table that has so many bytes takes no further key.
    std::uint64_t table_bytes = std::uint64_t{64} << 20;
    /// What of the versions stays. Whether this is the bottom, the compaction says.
    KeyVersions::Options versions;
    /// Asked now and then: true ends the run with `closed`.
    std::function<bool()> is_cancelled;
    /// Told how many bytes have been read and written since it was told last; returns when the run
    /// may go on.
    std::function<void(std::uint64_t)> pace = [](std::uint64_t) {};
  };

  CompactionRun(const Compaction& compaction, const Comparator& order, Options options);
  ~CompactionRun();
  CompactionRun(const CompactionRun&) = delete;
  CompactionRun& operator=(const CompactionRun&) = delete;

  /// The tables it has made, in the order of their keys; none when nothing is left.
  /// Errors: as TableCursor and TableBuilder; `closed`. What had been made is to be removed then.
  Result<std::vector<TableInfo>> run();
  /// Also after an error.
  const std::vector<TableInfo>& made() const noexcept { return made_; }

 private:
  class Input;
  Input* first_input();
  Result<std::span<const Entry>> take_key();
  Status write(std::span<const Entry> versions);
  RemovalFragments removals_of_inputs() const;
  Status write_removals(std::optional<Bytes> end);
  Status begin_table();
  Status finish_table(std::optional<Bytes> next_key);

  const Compaction& compaction_;
  const Comparator& order_;
  Options options_;
  KeyVersions versions_;
  const RemovalFragments removals_;
  std::vector<std::unique_ptr<Input>> inputs_;
  // Of the range removals, the first that is not wholly written, and where what is left begins.
  std::size_t removal_ = 0;
  std::optional<Bytes> removal_begin_;
  std::unique_ptr<TableBuilder> builder_;
  std::vector<TableInfo> made_;
  std::uint64_t bytes_moved_ = 0;  // Since `pace` was told.
};

}  // namespace nacre::store
