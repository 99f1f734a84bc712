#pragma once

// The kernel's files without any durability: for tests that make by hand what a power cut leaves,
// and to which a device would only be slow.

#include <filesystem>
#include <memory>
#include <utility>

#include "tests/support/forwarding_file_system.h"

namespace nacre::test {

class UnsyncedFile final : public ForwardingFile {
 public:
  using ForwardingFile::ForwardingFile;
  Status sync_data() override { return {}; }
  Status sync() override { return {}; }
};

class UnsyncedFileSystem final : public ForwardingFileSystem {
 public:
  Result<std::unique_ptr<File>> open(const std::filesystem::path& path,
                                     const OpenOptions& options) override {
    OpenOptions plain = options;
    plain.direct = false;
    plain.data_sync = false;
    auto file = ForwardingFileSystem::open(path, plain);
    if (!file) return file;
    return std::make_unique<UnsyncedFile>(*std::move(file));
  }
  Status sync_directory(const std::filesystem::path&) override { return {}; }
};

}  // namespace nacre::test
