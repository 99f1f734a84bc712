#pragma once

// The files and the memory a ring knows: what IoFile and IoMemory have registered.
//
// A slot stands for a file whether or not the kernel's table has it, so that what is known of the
// file (its descriptor, O_DIRECT) is looked up but once.
//
// Thread safety: none.

#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "lib/io/nvme_file.h"
#include "lib/io/uring_ring.h"
#include "nacre/file_system.h"
#include "nacre/io.h"

namespace nacre {

class UringTables {
 public:
  UringTables();

  struct FilePlace {
    int descriptor = -1;  ///< Or, when `registered`, its index in the kernel's table.
    bool registered = false;
    bool direct = false;     ///< Opened with O_DIRECT.
    bool data_sync = false;  ///< Opened with O_DSYNC.
    /// The namespace that takes commands from the ring, and nothing else; null for all other files.
    const NvmeFile* nvme = nullptr;
  };

  /// Returns a slot; -1 when the table is full or no descriptor stands behind `file`.
  int attach_file(UringRing& ring, const File& file);
  void detach_file(UringRing& ring, int slot) noexcept;
  /// Of a file that it knows.
  FilePlace place_of(const IoFile& file) const;
  /// Whether `file` was made known here, or nowhere: not to another backend.
  bool knows(const IoFile& file) const noexcept;

  /// Returns a slot, or -1 and then says why in `refusal`.
  int attach_memory(UringRing& ring, std::span<std::byte> memory, std::string& refusal);
  void detach_memory(UringRing& ring, int slot) noexcept;
  /// Whether the memory from `data` on lies within what `slot` has registered.
  bool covers(int slot, const std::byte* data, std::size_t bytes) const noexcept;
  /// Whether all of each buffer lies within what its slot has registered.
  bool cover(std::span<const IoBuffer> buffers) const noexcept;

  bool has_memory() const noexcept { return memory_bytes_ > 0; }

  /// Makes all of it known to a ring that takes the place of the one before.
  void register_all(UringRing& ring);

 private:
  struct FileEntry {
    const File* file = nullptr;  // Null: a free slot.
    int descriptor = -1;
    bool registered = false;
    bool direct = false;
    bool data_sync = false;
    const NvmeFile* nvme = nullptr;
  };

  std::vector<FileEntry> files_;
  std::vector<int> free_files_;
  std::vector<iovec> memory_;
  std::vector<int> free_memory_;
  std::size_t memory_bytes_ = 0;
};

}  // namespace nacre
