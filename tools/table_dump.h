#pragma once

// A table of a store for a person: its header, and its entries in their order.

#include <cstdint>
#include <filesystem>

#include "nacre/file_system.h"
#include "nacre/result.h"
#include "tools/command.h"

namespace nacre::tools {

/// True when `path` is named or begins as a table is.
Result<bool> looks_like_table(FileSystem& file_system, const std::filesystem::path& path);

struct TableDumpOptions {
  std::uint64_t count = 0;  ///< Entries to show.
  bool json = false;
};

/// Prints to standard output.
/// Errors: as store::Table::open and store::TableCursor; those of writing the output.
Result<ExitCode> dump_table(FileSystem& file_system, const std::filesystem::path& path,
                            const TableDumpOptions& options);

}  // namespace nacre::tools
