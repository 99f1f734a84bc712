#pragma once

// Files as a test looks at them and damages them: by name and byte.

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace nacre::test {

inline std::string file_content(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file.is_open()) << path;
  return {std::istreambuf_iterator<char>(file), {}};
}

inline void write_content(const std::filesystem::path& path, std::string_view content) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(content.data(), static_cast<std::streamsize>(content.size()));
  EXPECT_TRUE(file.good()) << path;
}

/// Overwrites `bytes` in place.
inline void poke(const std::filesystem::path& path, std::uint64_t offset, std::string_view bytes) {
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  file.seekp(static_cast<std::streamoff>(offset));
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  EXPECT_TRUE(file.good()) << path;
}

inline void flip_bit(const std::filesystem::path& path, std::uint64_t offset, unsigned bit = 0) {
  std::string content = file_content(path);
  ASSERT_LT(offset, content.size());
  const auto byte = static_cast<unsigned char>(content[offset]);
  content[offset] = static_cast<char>(byte ^ (1U << bit));
  poke(path, offset, std::string_view(content).substr(offset, 1));
}

using DirectoryContent = std::map<std::string, std::string>;

/// Every file below `directory` but LOCK, which each writer rewrites.
inline DirectoryContent directory_content(const std::filesystem::path& directory) {
  DirectoryContent content;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    if (!entry.is_regular_file() || entry.path().filename() == "LOCK") continue;
    content[std::filesystem::relative(entry.path(), directory).string()] =
        file_content(entry.path());
  }
  return content;
}

/// The names of files that appeared, went, or changed; contents of segments are too long to print.
inline std::vector<std::string> changed_files(const DirectoryContent& before,
                                              const DirectoryContent& after) {
  std::vector<std::string> changed;
  for (const auto& [name, content] : before) {
    const auto found = after.find(name);
    if (found == after.end() || found->second != content) changed.push_back(name);
  }
  for (const auto& [name, content] : after) {
    if (!before.contains(name)) changed.push_back(name);
  }
  return changed;
}

/// What the media hold right now, as a process that is killed at this moment would leave it. Not
/// beside a segment in the making, whose file is renamed at any moment: a log that is open keeps no
/// spares, or makes them on an executor that the test drives.
inline void copy_log(const std::filesystem::path& from, const std::filesystem::path& to) {
  std::filesystem::copy(from, to, std::filesystem::copy_options::recursive);
}

}  // namespace nacre::test
