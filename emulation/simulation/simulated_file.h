#pragma once

// An open file of a simulated machine. Thread safety: as File.

#include <memory>
#include <vector>

#include "emulation/simulation/simulated_files.h"
#include "nacre/file_system.h"

namespace nacre {

class SimulatedFile final : public File {
 public:
  /// Lifetime: `files` outlives this.
  SimulatedFile(SimulatedFiles& files, SimulatedFiles::Inode inode, const OpenOptions& options,
                std::filesystem::path path);
  ~SimulatedFile() override;
  SimulatedFile(const SimulatedFile&) = delete;
  SimulatedFile& operator=(const SimulatedFile&) = delete;

  Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> buffer) override;
  Status write_at(std::uint64_t offset, Bytes bytes) override;
  /// One write.
  Status write_vectored_at(std::uint64_t offset, std::span<const Bytes> parts) override;
  /// A write that is under way: what it wrote can be seen. Returns what `end_write` asks for.
  /// Errors: as `write_at`.
  Result<std::size_t> begin_write(std::uint64_t offset, std::span<const Bytes> parts);
  /// It has ended; `durable`: as if the file had been opened with `data_sync`. Errors: `io`.
  Status end_write(std::uint64_t offset, std::size_t begun, bool durable);
  Status preallocate(std::uint64_t offset, std::uint64_t bytes) override;
  Status resize(std::uint64_t bytes) override;
  Status sync_data() override;
  Status sync() override;
  Result<std::uint64_t> size() override;
  Status lock_exclusive() override;
  const std::filesystem::path& path() const noexcept override { return path_; }
  int native_handle() const noexcept override { return -1; }

  SimulatedFiles& files() const noexcept { return files_; }
  SimulatedFiles::Inode inode() const noexcept { return inode_; }

 private:
  Status check_open() const;
  Status check_transfer(std::uint64_t offset, const void* memory, std::size_t bytes) const;
  /// Whether the file may grow up to `end` by `action`.
  Status check_growth(std::uint64_t offset, std::uint64_t bytes, const char* action) const;
  /// One after the other, when they may be written at `offset`.
  Result<std::vector<std::byte>> gather(std::uint64_t offset, std::span<const Bytes> parts) const;
  Error failure(int sys_errno, const char* action) const;

  SimulatedFiles& files_;
  const SimulatedFiles::Inode inode_;
  const OpenOptions options_;
  const std::filesystem::path path_;
  const std::uint64_t epoch_;
};

}  // namespace nacre
