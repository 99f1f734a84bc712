#pragma once

// Places to measure in: temporary directories, files mapped like a log's, and child processes.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>

#include "nacre/result.h"

namespace nacre::bench {

/// A new directory; removed with all it holds when this ends.
class ScratchDirectory {
 public:
  /// Errors: `io`.
  static Result<ScratchDirectory> create(const std::filesystem::path& parent);
  ScratchDirectory(ScratchDirectory&& other) noexcept;
  ScratchDirectory& operator=(ScratchDirectory&&) = delete;
  ~ScratchDirectory();

  const std::filesystem::path& path() const noexcept { return path_; }

 private:
  explicit ScratchDirectory(std::filesystem::path path) : path_(std::move(path)) {}
  std::filesystem::path path_;  // Empty once moved from.
};

/// A file descriptor, closed at the end.
class Descriptor {
 public:
  explicit Descriptor(int fd) noexcept : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept;
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor();
  int get() const noexcept { return fd_; }

 private:
  int fd_;  // -1: none.
};

/// A new file of `bytes` bytes, preallocated *and written*, and synced: what any careful log starts
/// from, so that no contender pays for extents or page faults another one has paid for before.
/// Errors: `io`, `no_space`.
Result<Descriptor> create_written_file(const std::filesystem::path& path, std::size_t bytes);

/// A shared mapping of a whole file, its pages present.
class MappedFile {
 public:
  /// Errors: `io`, `no_space`.
  static Result<MappedFile> create(const std::filesystem::path& path, std::size_t bytes);
  /// Maps an existing file for reading; `populate` brings its pages in. Errors: `io`.
  static Result<MappedFile> open(const std::filesystem::path& path, bool populate);
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&&) = delete;
  ~MappedFile();

  std::span<std::byte> bytes() const noexcept { return bytes_; }

 private:
  explicit MappedFile(std::span<std::byte> bytes) : bytes_(bytes) {}
  std::span<std::byte> bytes_;
};

/// Runs `body` in a forked child, which then ends without running any destructor: what it has open
/// is left as a crash leaves it. Returns what `body` returned.
/// Errors: `io` with the body's error as text, or when the child died.
Result<double> measure_in_child(const std::function<Result<double>()>& body);

}  // namespace nacre::bench
