#pragma once

// What a repair of a store found: what it could save, and what it could not.
//
// Thread safety: values.

#include <cstdint>
#include <string>
#include <vector>

namespace nacre {

/// A part of a file whose checksum does not hold, or that is not there.
struct RepairLoss {
  std::string path;
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;  ///< 0 where nobody knows.
  std::string what;         ///< A sentence for a person.
};

struct RepairReport {
  std::uint64_t keyspaces = 0;
  std::uint64_t tables = 0;          ///< Of which anything was saved.
  std::uint64_t damaged_tables = 0;  ///< Those of them that were saved in part.
  std::uint64_t log_records = 0;     ///< Saved from the log: a write or a batch each.
  std::uint64_t entries = 0;         ///< Versions and removals of keys in the new store.
  std::vector<RepairLoss> losses;    ///< Empty: the store was sound, and all of it was saved.
  /// What had to be assumed, and why something that was removed may be back; a sentence each.
  std::vector<std::string> notes;
};

}  // namespace nacre
