#pragma once

// A directory of a test's own, removed with all that is in it.

#include <filesystem>

namespace nacre::test {

class TempDirectory {
 public:
  /// In the ordinary place for such things (TMPDIR, or /tmp).
  TempDirectory();
  ~TempDirectory();
  TempDirectory(const TempDirectory&) = delete;
  TempDirectory& operator=(const TempDirectory&) = delete;

  /// In memory: /dev/shm.
  static TempDirectory on_tmpfs();

  const std::filesystem::path& path() const noexcept { return path_; }

 private:
  explicit TempDirectory(const std::filesystem::path& parent);
  std::filesystem::path path_;
};

}  // namespace nacre::test
