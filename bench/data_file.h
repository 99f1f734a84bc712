#pragma once

// The file that the rows of `bench io` read and write: made at its first use, then shared by all of
// them, since writing it takes longer than measuring a row.

#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>

#include "bench/scratch.h"
#include "bench/workload.h"
#include "nacre/result.h"

namespace nacre::bench {

class DataFile {
 public:
  explicit DataFile(const Setting& setting) : setting_(setting) {}

  struct Place {
    std::filesystem::path path;
    std::size_t bytes = 0;
  };
  /// The file, preallocated, written with random bytes, and synced.
  /// Errors: `not_found` when the setting has no disk directory, `no_space`, `io`.
  Result<Place> place();

 private:
  Result<std::size_t> fitting_bytes() const;
  Setting setting_;
  std::optional<ScratchDirectory> directory_;
  std::optional<Place> place_;
};

}  // namespace nacre::bench
