#pragma once

// Where the writes that are queued or in flight lie, so that one that overlaps another waits for
// it, and one that continues another joins it.
//
// No two of them overlap: whoever asks `overlaps` first, and holds a write back while it does,
// keeps it so. That makes a look-up two steps in an ordered set, however many there are.
//
// Thread safety: none of its own.

#include <cstdint>
#include <set>
#include <vector>

#include "nacre/file_system.h"

namespace nacre {

/// The bytes that a write changes: never none.
struct WriteRange {
  const File* file = nullptr;
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
  void* owner = nullptr;

  std::uint64_t end() const noexcept { return offset + bytes; }
  bool overlaps(const WriteRange& other) const noexcept {
    return file == other.file && offset < other.end() && other.offset < end();
  }
};

/// Ranges are borrowed: each stays where it is, and as it is, until it has been erased.
class WriteOrder {
 public:
  bool overlaps(const WriteRange& range) const;
  void insert(WriteRange& range);
  void erase(WriteRange& range);
  /// The range that begins where `range` ends, or ends where it begins; null when there is none.
  WriteRange* after(const WriteRange& range) const;
  WriteRange* before(const WriteRange& range) const;

 private:
  struct Before {
    bool operator()(const WriteRange* a, const WriteRange* b) const noexcept;
  };
  using Ranges = std::set<WriteRange*, Before>;

  Ranges ranges_;
  std::vector<Ranges::node_type> spare_;  // Spares an allocation for each write.
};

}  // namespace nacre
