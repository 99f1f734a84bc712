#pragma once

// The demo's verdict: every acknowledged record against the source, byte by byte and in order.

#include <cstdint>
#include <functional>
#include <optional>

#include "nacre/result.h"
#include "nacre/types.h"

namespace nacre::tools {

struct Comparison {
  std::uint64_t equal = 0;      ///< Records that are in the log as they are in the source.
  std::uint64_t lost = 0;       ///< Acknowledged records that are missing or cannot be read.
  std::uint64_t different = 0;  ///< Records whose bytes are not the source's.
  std::uint64_t extra = 0;      ///< Records that the source does not have.
  std::optional<Error> read_error;

  bool good() const noexcept { return lost == 0 && different == 0 && extra == 0 && !read_error; }
};

/// The next record, or nothing at the end. Valid until the next call.
using RecordStream = std::function<Result<std::optional<Bytes>>()>;

/// Compares until both end. `acknowledged`: how many records the log must have. `on_record` is
/// called after each. Errors: those of `source`; an error of `log` stands in the Comparison.
Result<Comparison> compare_records(const RecordStream& source, const RecordStream& log,
                                   std::uint64_t acknowledged,
                                   const std::function<void(std::uint64_t)>& on_record);

}  // namespace nacre::tools
