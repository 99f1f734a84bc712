#pragma once

// Where the demo's records come from: a file by lines, or this machine's package records.

#include <cstdint>
#include <filesystem>
#include <string>

#include "nacre/result.h"
#include "tools/record_reader.h"

namespace nacre::tools {

struct DemoSource {
  std::string description;     ///< "apt-cache dumpavail".
  std::filesystem::path file;  ///< An ordinary file that can be read again and again.
  RecordFormat format = RecordFormat::kLines;
  std::uint64_t records = 0;
  std::uint64_t bytes = 0;  ///< Of the records, without what separates them.
};

/// `input`: a file by lines, or "" for `apt-cache dumpavail` by stanzas and, where that has
/// nothing, the records of the packages that are installed. What is no ordinary file is copied into
/// `directory` first.
/// Errors: `not_found`, `invalid_argument` (no records; a record over the limit), `no_space`, `io`.
Result<DemoSource> prepare_demo_source(const std::string& input,
                                       const std::filesystem::path& directory);

}  // namespace nacre::tools
