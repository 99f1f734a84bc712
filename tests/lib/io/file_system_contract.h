#pragma once

// What every FileSystem does: instantiate FileSystemContract with the ways to make one, and list
// file_system_contract.cc among the sources of the test.

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "nacre/file_system.h"

namespace nacre::test {

/// A file system, and an empty directory of it in which a test may do what it likes.
class FileSystemHarness {
 public:
  virtual ~FileSystemHarness() = default;
  virtual FileSystem& file_system() = 0;
  virtual const std::filesystem::path& directory() const = 0;
};

struct FileSystemCase {
  std::string name;
  std::function<std::unique_ptr<FileSystemHarness>()> make;
};

class FileSystemContract : public testing::TestWithParam<FileSystemCase> {
 protected:
  FileSystem& fs() { return harness_->file_system(); }
  std::filesystem::path in_directory(std::string_view name) const {
    return harness_->directory() / name;
  }
  /// A new file that holds `text`.
  std::unique_ptr<File> create(std::string_view name, std::string_view text = {});

 private:
  std::unique_ptr<FileSystemHarness> harness_ = GetParam().make();
};

inline constexpr OpenOptions kReadOnly{};
inline constexpr OpenOptions kWritable{.writable = true};
inline constexpr OpenOptions kCreate{.writable = true, .create = true};
inline constexpr OpenOptions kCreateNew{.writable = true, .create = true, .exclusive = true};

/// All that `file` holds; an error is a test failure.
std::string content_of(File& file);

}  // namespace nacre::test
