#pragma once

// A file system and its files that pass everything on to the kernel's, for tests that overrule
// single operations.

#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "nacre/file_system.h"

namespace nacre::test {

class ForwardingFile : public File {
 public:
  explicit ForwardingFile(std::unique_ptr<File> file) : file_(std::move(file)) {}

  Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> buffer) override {
    return file_->read_at(offset, buffer);
  }
  Status write_at(std::uint64_t offset, Bytes bytes) override {
    return file_->write_at(offset, bytes);
  }
  Status preallocate(std::uint64_t offset, std::uint64_t bytes) override {
    return file_->preallocate(offset, bytes);
  }
  Status resize(std::uint64_t bytes) override { return file_->resize(bytes); }
  Status sync_data() override { return file_->sync_data(); }
  Status sync() override { return file_->sync(); }
  Result<std::uint64_t> size() override { return file_->size(); }
  Status lock_exclusive() override { return file_->lock_exclusive(); }
  const std::filesystem::path& path() const noexcept override { return file_->path(); }
  int native_handle() const noexcept override { return file_->native_handle(); }

 private:
  std::unique_ptr<File> file_;
};

class ForwardingFileSystem : public FileSystem {
 public:
  Result<std::unique_ptr<File>> open(const std::filesystem::path& path,
                                     const OpenOptions& options) override {
    return kernel_.open(path, options);
  }
  Status rename(const std::filesystem::path& from, const std::filesystem::path& to) override {
    return kernel_.rename(from, to);
  }
  Status link(const std::filesystem::path& from, const std::filesystem::path& to) override {
    return kernel_.link(from, to);
  }
  Status remove(const std::filesystem::path& path) override { return kernel_.remove(path); }
  Status create_directory(const std::filesystem::path& path) override {
    return kernel_.create_directory(path);
  }
  Result<std::vector<std::string>> list_directory(const std::filesystem::path& path) override {
    return kernel_.list_directory(path);
  }
  Result<FileStat> stat(const std::filesystem::path& path) override { return kernel_.stat(path); }
  Status sync_directory(const std::filesystem::path& path) override {
    return kernel_.sync_directory(path);
  }

 private:
  PosixFileSystem kernel_;
};

}  // namespace nacre::test
