#pragma once

// Handles and paths over SimulatedFiles, with the errors of the kernel's.
//
// Thread safety: as FileSystem.

#include "emulation/simulation/simulated_files.h"
#include "nacre/file_system.h"

namespace nacre {

class SimulatedFileSystem final : public FileSystem {
 public:
  /// Lifetime: `files` outlives this, and every file opened.
  explicit SimulatedFileSystem(SimulatedFiles& files) : files_(files) {}

  Result<std::unique_ptr<File>> open(const std::filesystem::path& path,
                                     const OpenOptions& options) override;
  Status rename(const std::filesystem::path& from, const std::filesystem::path& to) override;
  Status remove(const std::filesystem::path& path) override;
  Status create_directory(const std::filesystem::path& path) override;
  Result<std::vector<std::string>> list_directory(const std::filesystem::path& path) override;
  Result<FileStat> stat(const std::filesystem::path& path) override;
  Status sync_directory(const std::filesystem::path& path) override;

 private:
  SimulatedFiles& files_;
  Mutex mutex_;  // Between looking at the names and changing them.
};

}  // namespace nacre
