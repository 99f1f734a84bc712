#pragma once

// A file system that fails when told to, over another one that does the work.
//
// It follows a FaultPlan (errors, torn, lost and misdirected writes, lying syncs, bit rot), and
// can run out of space or turn read-only. Its errors read like those of the kernel's files.
//
// What it cannot see: loads and stores through a mapping of `native_handle`. Programs that map
// their files meet faults of open, sizing and locking here, and bit rot by changing the file.
//
// Thread safety: as FileSystem; the faults may be changed while operations run.

#include <cstdint>
#include <memory>
#include <optional>

#include "nacre/emulation/fault_plan.h"
#include "nacre/file_system.h"

namespace nacre {

struct FaultContext;

struct FaultFileSystemOptions {
  /// Decides what is struck by chance, and which bit rots.
  std::uint64_t seed = 1;
  /// Whether files show the descriptor of the file below, which a mapping needs; else -1.
  bool pass_native_handle = true;
};

class FaultFileSystem final : public FileSystem {
 public:
  /// Lifetime: `inner` outlives this, and this outlives the files it opened.
  explicit FaultFileSystem(FileSystem& inner, const FaultFileSystemOptions& options = {});
  ~FaultFileSystem() override;
  FaultFileSystem(const FaultFileSystem&) = delete;
  FaultFileSystem& operator=(const FaultFileSystem&) = delete;

  FaultPlan& plan() noexcept;

  /// From now on files may grow by `bytes` in all before `no_space`; without a value, for ever.
  /// A file costs its size; shrinking, removing and replacing files gives their bytes back. A write
  /// that does not fit is written as far as it does, as the kernel would.
  void set_free_bytes(std::optional<std::uint64_t> bytes);
  /// What is left of that.
  std::optional<std::uint64_t> free_bytes() const;

  /// While true, whatever would change something fails with EROFS, on open files too.
  void set_read_only(bool read_only) noexcept;

  /// The bits in `mask` of the byte at `offset` read wrong until the byte is rewritten.
  void rot(const std::filesystem::path& path, std::uint64_t offset, std::uint8_t mask);

  Result<std::unique_ptr<File>> open(const std::filesystem::path& path,
                                     const OpenOptions& options) override;
  Status rename(const std::filesystem::path& from, const std::filesystem::path& to) override;
  Status remove(const std::filesystem::path& path) override;
  Status create_directory(const std::filesystem::path& path) override;
  Result<std::vector<std::string>> list_directory(const std::filesystem::path& path) override;
  Result<FileStat> stat(const std::filesystem::path& path) override;
  Status sync_directory(const std::filesystem::path& path) override;

 private:
  friend class FaultDevice;  // Follows the same plan.

  std::unique_ptr<FaultContext> context_;
};

}  // namespace nacre
