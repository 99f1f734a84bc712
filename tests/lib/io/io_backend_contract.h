#pragma once

// What every IoBackend does: instantiate IoBackendContract with the ways to make one, and list
// io_backend_contract.cc and io_backend_rules_contract.cc among the sources of the test.

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "nacre/io.h"
#include "tests/support/aligned_bytes.h"
#include "tests/support/temp_directory.h"

namespace nacre::test {

struct IoBackendCase {
  std::string name;
  std::function<Result<std::unique_ptr<IoBackend>>(FileSystem&)> make;
  bool tmpfs = false;          ///< Files lie in memory.
  bool direct = false;         ///< Files are opened with O_DIRECT.
  bool single_thread = false;  ///< It belongs to the thread that made it.
  /// Every file that `create` makes is the NVMe namespace given to the tests, zeroed at its
  /// beginning (tests/support/test_namespace.h). It has neither a name of its own nor a size that
  /// changes.
  bool on_namespace = false;
  /// Null: the kernel's. Another one lies in memory that a forked child has a copy of, works there
  /// too, and knows no limits of the kernel's.
  std::function<std::shared_ptr<FileSystem>()> file_system = {};

  bool simulated() const { return file_system != nullptr; }
};

class IoBackendContract : public testing::TestWithParam<IoBackendCase> {
 protected:
  void SetUp() override;

  IoBackend& backend() { return *backend_; }
  std::filesystem::path in_directory(std::string_view name) const {
    return directory_.path() / name;
  }
  /// Where tests skip what takes names, sizes, or several files.
  static bool on_namespace() { return GetParam().on_namespace; }
  static constexpr std::string_view kNoFiles = "a namespace is no file of a file system";
  bool exists(std::string_view name) { return file_system_.stat(in_directory(name)).has_value(); }
  /// A new file of this case's kind, known to the backend. Where it lies is told by its path.
  IoFile& create(std::string_view name);

  IoRequest read(const IoFile& file, std::uint64_t offset, std::span<std::byte> into);
  IoRequest write(const IoFile& file, std::uint64_t offset, std::span<std::byte> from);
  static IoRequest on_file(IoKind kind, const IoFile& file, std::uint64_t offset = 0,
                           std::uint64_t bytes = 0);

  /// Submits `requests` at once; returns them when all have ended, in the order given.
  std::vector<std::unique_ptr<IoOperation>> run(std::vector<IoRequest> requests);
  /// As one chain.
  std::vector<std::unique_ptr<IoOperation>> run_chain(std::vector<IoRequest> steps);
  std::unique_ptr<IoOperation> run_one(IoRequest request);
  /// How long `file` is; of a namespace, before its first block of zeros.
  std::uint64_t leading_bytes(const IoFile& file);
  /// What `create` has made is not known to the backend any more.
  void forget_files() { io_files_.clear(); }
  /// `submitters` threads submit what `steps(thread, round)` makes, `rounds` times each, and end;
  /// this one reaps. Returns the chains.
  std::vector<std::vector<std::unique_ptr<IoOperation>>> run_from_threads(
      std::size_t submitters, std::size_t rounds,
      const std::function<std::vector<IoRequest>(std::size_t, std::size_t)>& steps);

  std::shared_ptr<FileSystem> owned_file_system_ =
      GetParam().simulated() ? GetParam().file_system() : std::make_shared<PosixFileSystem>();
  FileSystem& file_system_ = *owned_file_system_;
  TempDirectory directory_ = GetParam().tmpfs ? TempDirectory::on_tmpfs() : TempDirectory();
  std::unique_ptr<IoBackend> backend_;

 private:
  void reap_all(std::size_t count);
  std::vector<std::unique_ptr<File>> files_;
  std::vector<std::unique_ptr<IoFile>> io_files_;  // Before the files they name.
};

}  // namespace nacre::test
