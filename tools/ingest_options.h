#pragma once

// What `nacre ingest` is told, and what `nacre demo` tells the writers it starts.

#include <cstdint>
#include <string>
#include <string_view>

#include "tools/command.h"
#include "tools/record_reader.h"

namespace nacre::tools {

struct IngestOptions {
  std::string directory;
  std::string topic;
  std::string input = "-";
  RecordFormat format = RecordFormat::kLines;
  Durability durability = Durability::kPower;
  IoEngine engine = IoEngine::kAuto;
  std::uint32_t partition = 0;
  std::uint64_t segment_bytes = 0;  ///< 0: what the log has, or the library's default.
  std::uint32_t window_records = 1024;
  bool resume = false;  ///< Pass over as many records of the input as the partition holds.
  std::string acks;     ///< See AckSink.
  std::string stats_file;
  bool quiet = false;
  bool json = false;
};

/// "lines", "stanzas", "length-prefixed".
std::string_view record_format_name(RecordFormat format) noexcept;

/// Adds `--records`. Lifetime: `format` outlives the parsing.
void add_record_format_option(CommandLine app, RecordFormat& format);

}  // namespace nacre::tools
