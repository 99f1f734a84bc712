#pragma once

// What a plan has seen of the publication of one file (lib/io/publish_file.h).

#include <array>
#include <cstddef>
#include <filesystem>
#include <optional>
#include <vector>

#include "nacre/emulation/fault_plan.h"

namespace nacre::test {

inline constexpr std::array kPublishOrder = {FileOperation::kPreallocate, FileOperation::kWrite,
                                             FileOperation::kSync, FileOperation::kRename,
                                             FileOperation::kSyncDirectory};

struct PublishTrace {
  /// How many steps of `kPublishOrder` have succeeded; a file without content begins with the
  /// third.
  std::size_t steps = 0;
  std::optional<FileEvent> failed = {};  ///< The step that has not.
  std::optional<FileEvent> undo = {};

  bool renamed() const noexcept { return steps > 3; }
  bool durable() const noexcept { return steps == kPublishOrder.size(); }
  /// Whether the plan has kept the temporary from being removed.
  bool undo_struck() const noexcept;
};

/// Finds the publication of `temporary`, whose name has been used for no other and whose directory
/// nobody else has used since. Says in a failure of the test what came out of order, or went on
/// behind a step that had failed.
PublishTrace trace_publication(const std::vector<FileEvent>& trace,
                               const std::filesystem::path& temporary, bool has_content);

}  // namespace nacre::test
