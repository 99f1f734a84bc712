#pragma once

// An NVMe namespace behind the File seam: the character device /dev/ngXnY, on which no read(2) and
// no write(2) work, but commands. This class sends them one at a time by ioctl(2); a ring that can
// carry commands takes the descriptor and does without it (lib/io/uring_command.h).
//
// Its size is fixed, and there is neither a page cache nor anything else between it and the device:
// offset and size are multiples of its block, memory of 4 bytes, and what lies beyond its end is
// not there. It does not hold off who uses its block device meanwhile, a mounted file system
// included; `lock_exclusive` does.
//
// `native_handle` is -1, for nothing can be done with the descriptor that is done with a file's.
//
// Thread safety: as File.

#include <sys/stat.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>

#include "lib/io/nvme_namespace.h"
#include "nacre/file_system.h"

namespace nacre {

class NvmeFile final : public File {
 public:
  /// Whether what stat(2) has told of is the character device of an NVMe namespace.
  static bool is_one(const struct stat& status);

  /// Takes over `descriptor`, which `is_one`, opened as `options` say. Errors: `unsupported`
  /// (blocks that nacre does not use), `io`.
  static Result<std::unique_ptr<NvmeFile>> make(int descriptor, const OpenOptions& options,
                                                std::filesystem::path path);

  /// Takes over `descriptor`.
  NvmeFile(int descriptor, const OpenOptions& options, const NvmeNamespace& space,
           std::filesystem::path path);
  ~NvmeFile() override;
  NvmeFile(const NvmeFile&) = delete;
  NvmeFile& operator=(const NvmeFile&) = delete;

  Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> buffer) override;
  Status write_at(std::uint64_t offset, Bytes bytes) override;
  Status preallocate(std::uint64_t offset, std::uint64_t bytes) override;
  Status resize(std::uint64_t bytes) override;
  Status sync_data() override;
  Status sync() override { return sync_data(); }
  Result<std::uint64_t> size() override { return space_.bytes(); }
  Status lock_exclusive() override;
  const std::filesystem::path& path() const noexcept override { return path_; }
  int native_handle() const noexcept override { return -1; }

  int descriptor() const noexcept { return descriptor_; }
  const NvmeNamespace& space() const noexcept { return space_; }
  /// Opened with `data_sync`: every write carries FUA.
  bool writes_durably() const noexcept { return durable_; }
  /// What keeps a transfer of `bytes` at `offset` from being sent, if anything.
  Status check_transfer(std::uint64_t offset, const void* memory, std::size_t bytes,
                        bool writes) const;

 private:
  Status carry_out(nvme_uring_cmd command, void* memory, const char* action, unsigned tries);

  int descriptor_;
  bool writable_;
  bool durable_;
  bool locked_ = false;
  int claim_ = -1;  // The block device, opened exclusively.
  NvmeNamespace space_;
  std::filesystem::path path_;
};

}  // namespace nacre
