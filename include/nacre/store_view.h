#pragma once

// A look at a store that another process, or this one, has open and writes to.
//
//   auto view = nacre::StoreView::open("/data/store").value();
//   auto value = view.get(nacre::as_bytes("key")).value();
//   nacre::Status moved_on = view.refresh();
//
// Takes no lock, writes nothing, recovers nothing, and disturbs no writer. What it shows is the
// store as of one moment, until `refresh` goes to a later one: all writes that came before that
// moment and none that came behind it, batches as a whole. The moment is not before `open`, or
// `refresh`, was called, so that whatever was acknowledged by then is seen. There is nothing to
// write with; open a Store for that. A store that nobody has open can be looked at, too; `Store`
// says more about damage at the end of a log, as it knows that nobody is writing there.
//
// Thread safety: every member may be called from any thread.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "nacre/result.h"
#include "nacre/store.h"
#include "nacre/store_stats.h"
#include "nacre/types.h"

namespace nacre {

namespace store {
class ViewCore;
}  // namespace store

/// What a view shows, and what the newest `open` or `refresh` that succeeded had to do for it.
struct StoreViewStats {
  std::vector<KeyspaceStats> keyspaces;
  Lsn moment;                      ///< Everything up to it is shown, and nothing above.
  std::uint64_t log_records = 0;   ///< Writes and batches that are in no table, and were copied.
  std::uint64_t log_bytes = 0;     ///< Of those: keys, values, and 16 bytes for each write.
  std::uint64_t memory_bytes = 0;  ///< DRAM of the copies, and of tables beside their mappings.
  /// At the store: more than one where a writer gave up meanwhile what was to be read.
  std::uint64_t looks = 0;
};

class StoreView {
 public:
  /// Of `options`, comparators, merge operators, and the environment's file system and clock count.
  /// Costs what it takes to open new tables, and to read what of the log is in no table yet, which
  /// is copied into memory: about `memtable_bytes` of the writer's at most times five.
  /// Errors: `not_found` (no store is there), `invalid_argument` (a log of another kind; a
  /// comparator or a merge operator is missing), `unsupported` (a newer format), `corruption`,
  /// `io`; `busy` (the store changed during each of several looks).
  static Result<StoreView> open(const std::filesystem::path& directory, StoreOptions options = {});
  StoreView(StoreView&&) noexcept;
  StoreView& operator=(StoreView&&) noexcept;
  /// Lifetime: values and iterators end before.
  ~StoreView();

  /// Goes on to a moment that is not before the call. Values and iterators that are there stay as
  /// of theirs. Costs, errors: as `open`; after an error it shows what it did before.
  Status refresh();

  /// As those of Store. REQUIRES: no ReadOptions::snapshot; the view is one.
  Result<std::optional<PinnedValue>> get(Bytes key) const;
  Result<std::optional<PinnedValue>> get(Keyspace keyspace, Bytes key) const;
  Result<std::vector<std::optional<PinnedValue>>> multi_get(std::span<const Bytes> keys) const;
  Result<std::vector<std::optional<PinnedValue>>> multi_get(Keyspace keyspace,
                                                            std::span<const Bytes> keys) const;
  StoreIterator iterate(const ReadOptions& options = {}) const;
  StoreIterator iterate(Keyspace keyspace, const ReadOptions& options = {}) const;

  /// A keyspace of this view, and of nothing else. Lifetime: the view's.
  Keyspace default_keyspace() const noexcept;
  /// Errors: `not_found`.
  Result<Keyspace> keyspace(std::string_view name) const;
  std::vector<std::string> keyspaces() const;

  /// All of it is of one moment.
  StoreViewStats stats() const;

 private:
  explicit StoreView(std::unique_ptr<store::ViewCore> core);
  store::ViewCore& core() const noexcept;
  std::unique_ptr<store::ViewCore> core_;
};

}  // namespace nacre
