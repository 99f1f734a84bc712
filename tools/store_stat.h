#pragma once

// What `nacre stat` says of a store: keyspaces, their levels and tables, sizes, also while another
// process is writing it.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "mmap/superblock.h"
#include "nacre/file_system.h"
#include "nacre/result.h"
#include "tools/command.h"

namespace nacre::tools {

enum class StatFormat : std::uint8_t { kText, kJson, kMetrics };

/// Keys of a keyspace, from `from` up to but not including `to`.
struct StatRange {
  std::string keyspace;
  std::string from;
  std::string to;
};

/// Prints to standard output; of `range`, where there is one, about how much its tables hold.
/// Errors: as store::read_manifest, store::read_table_header and store::approximate_size;
/// `not_found` (no such keyspace); those of writing the output.
Status print_store_stat(FileSystem& file_system, const std::filesystem::path& directory,
                        const Superblock& superblock, StatFormat format,
                        const std::optional<StatRange>& range);

}  // namespace nacre::tools
