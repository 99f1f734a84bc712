#pragma once

// A writer process that the demo starts, listens to, and kills.

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "nacre/clock.h"
#include "nacre/result.h"

namespace nacre::tools {

struct WriterPlan {
  std::filesystem::path program;
  /// Without the program's name. The writer tells its acknowledgements on descriptor
  /// `kWriterAcksDescriptor`, a line with the durable watermark each.
  std::vector<std::string> arguments;
  /// Kill it once the watermark has reached this; empty lets it finish.
  std::optional<std::uint64_t> kill_at = {};
  /// How much longer it may work then.
  std::uint64_t kill_delay_ns = 0;
};

inline constexpr int kWriterAcksDescriptor = 3;

struct WriterOutcome {
  std::uint64_t reopened_at = 0;   ///< The first watermark it told: what it found when it opened.
  std::uint64_t acknowledged = 0;  ///< The last one.
  bool killed = false;
  int exit_status = 0;  ///< When not killed.
};

/// Starts a writer, calls `on_watermark` for each acknowledgement, kills the writer at its moment,
/// and returns when it is gone and all it has told is read.
/// Errors: `io` (cannot start or listen; it died of something else than our kill).
Result<WriterOutcome> run_writer(const WriterPlan& plan, Clock& clock,
                                 const std::function<void(std::uint64_t)>& on_watermark);

/// Reads the watermarks out of a stream of lines that arrives in pieces.
class WatermarkParser {
 public:
  /// Errors: `corruption` for anything but decimal numbers, each on a line.
  Status feed(std::string_view piece, const std::function<void(std::uint64_t)>& on_watermark);

 private:
  std::string partial_;
};

}  // namespace nacre::tools
