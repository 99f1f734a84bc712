#pragma once

// The kernel's files with single operations made to fail, for what a domain does then.

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "nacre/file_system.h"
#include "tests/support/forwarding_file_system.h"

namespace nacre::test {

/// What goes wrong; shared by a file system and its files.
struct StubFaults {
  std::optional<Error> open_direct;
  std::optional<Error> resize;
  std::optional<Error> write;
  std::optional<Error> read;
  /// Reads end before this offset, as those of a file that has become shorter.
  std::optional<std::uint64_t> end;
  bool hide_descriptor = false;
  /// Offsets and sizes of the writes that were asked for.
  std::vector<std::pair<std::uint64_t, std::size_t>> writes;
};

class StubFile final : public ForwardingFile {
 public:
  StubFile(std::unique_ptr<File> file, std::shared_ptr<StubFaults> faults)
      : ForwardingFile(std::move(file)), faults_(std::move(faults)) {}

  Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> buffer) override {
    if (faults_->read) return *faults_->read;
    if (faults_->end) {
      const std::uint64_t left = *faults_->end - std::min(*faults_->end, offset);
      buffer = buffer.first(std::min<std::uint64_t>(buffer.size(), left));
    }
    return ForwardingFile::read_at(offset, buffer);
  }
  Status write_at(std::uint64_t offset, Bytes bytes) override {
    faults_->writes.emplace_back(offset, bytes.size());
    if (faults_->write) return *faults_->write;
    return ForwardingFile::write_at(offset, bytes);
  }
  Status resize(std::uint64_t bytes) override {
    if (faults_->resize) return *faults_->resize;
    return ForwardingFile::resize(bytes);
  }
  int native_handle() const noexcept override {
    return faults_->hide_descriptor ? -1 : ForwardingFile::native_handle();
  }

 private:
  std::shared_ptr<StubFaults> faults_;
};

class StubFileSystem final : public ForwardingFileSystem {
 public:
  StubFaults& faults() { return *faults_; }

  Result<std::unique_ptr<File>> open(const std::filesystem::path& path,
                                     const OpenOptions& options) override {
    if (options.direct && faults_->open_direct) return *faults_->open_direct;
    auto file = ForwardingFileSystem::open(path, options);
    if (!file) return std::move(file).error();
    return std::make_unique<StubFile>(*std::move(file), faults_);
  }

 private:
  std::shared_ptr<StubFaults> faults_ = std::make_shared<StubFaults>();
};

}  // namespace nacre::test
