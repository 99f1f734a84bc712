#pragma once

// One writer for one directory: an advisory lock on its LOCK file, which holds the owner's pid for
// whoever is refused.

#include <filesystem>
#include <memory>

#include "nacre/file_system.h"
#include "nacre/result.h"

namespace nacre {

class DirectoryLock {
 public:
  /// Takes the lock of `directory`, creating its LOCK file when there is none. Held until
  /// destruction or the death of the process.
  /// A holder that has died lets go when the last of its writes has ended, which is waited for, up
  /// to `kPatienceMs`.
  /// Errors: `busy` (names the holder's pid), `io`, `no_space`.
  static Result<DirectoryLock> acquire(FileSystem& file_system,
                                       const std::filesystem::path& directory);
  static constexpr int kPatienceMs = 3000;

  File& file() const noexcept { return *file_; }

 private:
  explicit DirectoryLock(std::unique_ptr<File> file) : file_(std::move(file)) {}
  std::unique_ptr<File> file_;
};

}  // namespace nacre
