#pragma once

// The kernel's files with single operations made to fail, for what a domain does then.

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "nacre/file_system.h"

namespace nacre::test {

/// What goes wrong; shared by a file system and its files.
struct StubFaults {
  std::optional<Error> open_direct;
  std::optional<Error> resize;
  std::optional<Error> write;
  std::optional<Error> read;
  bool hide_descriptor = false;
  /// Offsets and sizes of the writes that were asked for.
  std::vector<std::pair<std::uint64_t, std::size_t>> writes;
};

class StubFile final : public File {
 public:
  StubFile(std::unique_ptr<File> file, std::shared_ptr<StubFaults> faults)
      : file_(std::move(file)), faults_(std::move(faults)) {}

  Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> buffer) override {
    if (faults_->read) return *faults_->read;
    return file_->read_at(offset, buffer);
  }
  Status write_at(std::uint64_t offset, Bytes bytes) override {
    faults_->writes.emplace_back(offset, bytes.size());
    if (faults_->write) return *faults_->write;
    return file_->write_at(offset, bytes);
  }
  Status preallocate(std::uint64_t offset, std::uint64_t bytes) override {
    return file_->preallocate(offset, bytes);
  }
  Status resize(std::uint64_t bytes) override {
    if (faults_->resize) return *faults_->resize;
    return file_->resize(bytes);
  }
  Status sync_data() override { return file_->sync_data(); }
  Status sync() override { return file_->sync(); }
  Result<std::uint64_t> size() override { return file_->size(); }
  Status lock_exclusive() override { return file_->lock_exclusive(); }
  const std::filesystem::path& path() const noexcept override { return file_->path(); }
  int native_handle() const noexcept override {
    return faults_->hide_descriptor ? -1 : file_->native_handle();
  }

 private:
  std::unique_ptr<File> file_;
  std::shared_ptr<StubFaults> faults_;
};

class StubFileSystem final : public FileSystem {
 public:
  StubFaults& faults() { return *faults_; }

  Result<std::unique_ptr<File>> open(const std::filesystem::path& path,
                                     const OpenOptions& options) override {
    if (options.direct && faults_->open_direct) return *faults_->open_direct;
    auto file = kernel_.open(path, options);
    if (!file) return std::move(file).error();
    return std::make_unique<StubFile>(*std::move(file), faults_);
  }
  Status rename(const std::filesystem::path& from, const std::filesystem::path& to) override {
    return kernel_.rename(from, to);
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
  std::shared_ptr<StubFaults> faults_ = std::make_shared<StubFaults>();
};

}  // namespace nacre::test
