#pragma once

// What the commands on a store share: its options, and opening it as each of them may.

#include <cstdint>
#include <filesystem>
#include <string>

#include "mmap/superblock.h"
#include "nacre/comparator.h"
#include "nacre/file_system.h"
#include "nacre/result.h"
#include "nacre/store.h"
#include "nacre/store_view.h"
#include "tools/command.h"

namespace nacre::tools {

struct StoreTarget {
  std::string directory;
  std::string keyspace = std::string(kDefaultKeyspace);
  Durability durability = Durability::kPower;
  IoEngine engine = IoEngine::kAuto;
  std::uint64_t segment_bytes = 0;  ///< See StoreOptions.
  std::uint64_t memtable_bytes = std::uint64_t{64} << 20;
};

/// What a command wants of a store.
enum class StoreAccess : std::uint8_t {
  kRead,    ///< It and the keyspace must be there; in whichever domain its directory has.
  kChange,  ///< It and the keyspace must be there.
  kFill,    ///< It and the keyspace are created when missing.
};

struct OpenedStore {
  Store store;
  Keyspace keyspace;
  Comparator order;  ///< Of the keyspace.
};

/// Adds DIR and `--keyspace`. Lifetime: `target` outlives the parsing.
void add_store_options(CommandLine app, StoreTarget& target);
/// Adds what only those who write are asked: `--durability`, `--engine`.
void add_store_writer_options(CommandLine app, StoreTarget& target);

/// Errors: as Store::open; `not_found` (no store there, no such keyspace), `invalid_argument` (a
/// log of another kind; a directory of other files; an order or a merge operator that only a
/// program knows).
Result<OpenedStore> open_store(const StoreTarget& target, StoreAccess access);

struct ViewedStore {
  StoreView view;
  Keyspace keyspace;
  Comparator order;  ///< Of the keyspace.
};

/// Looks at a store that another process may have open.
/// Errors: as StoreView::open, and as `open_store`.
Result<ViewedStore> view_store(const StoreTarget& target);

/// The superblock of the store in `directory`.
/// Errors: `not_found` (no store there), `invalid_argument` (a log of another kind), `corruption`.
Result<Superblock> read_store_superblock(FileSystem& file_system,
                                         const std::filesystem::path& directory);

/// "emulated: acknowledged writes survive ..." for a summary.
std::string domain_text(const Store& store);

}  // namespace nacre::tools
