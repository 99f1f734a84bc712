#pragma once

// A file of the kernel behind the File seam: every short transfer is continued, every interrupted
// call repeated, except the syncs, which are never tried twice.
//
// Thread safety: as File. The lock is of the open file description, so that two opens conflict
// within one process as they do between two. A child that was forked meanwhile shares it; it is
// let go when the one who took it destroys the file, not when the last of them does.

#include <filesystem>

#include "nacre/file_system.h"

namespace nacre {

class PosixFile final : public File {
 public:
  /// Takes `descriptor` over. `direct` says that it was opened with O_DIRECT.
  PosixFile(int descriptor, bool direct, std::filesystem::path path);
  ~PosixFile() override;
  PosixFile(const PosixFile&) = delete;
  PosixFile& operator=(const PosixFile&) = delete;

  Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> buffer) override;
  Status write_at(std::uint64_t offset, Bytes bytes) override;
  Result<std::size_t> read_vectored_at(std::uint64_t offset,
                                       std::span<const std::span<std::byte>> buffers) override;
  Status write_vectored_at(std::uint64_t offset, std::span<const Bytes> pieces) override;
  Status preallocate(std::uint64_t offset, std::uint64_t bytes) override;
  Status resize(std::uint64_t bytes) override;
  Status sync_data() override;
  Status sync() override;
  Result<std::uint64_t> size() override;
  Status lock_exclusive() override;
  const std::filesystem::path& path() const noexcept override { return path_; }
  int native_handle() const noexcept override { return descriptor_; }

 private:
  template <class Call>
  Result<std::size_t> read_whole(std::uint64_t offset, std::size_t whole, Call call);
  template <class Call>
  Status write_whole(std::uint64_t offset, std::size_t whole, Call call);
  template <class Pieces>
  Result<std::size_t> check_pieces(std::uint64_t offset, const Pieces& pieces) const;
  Error failure(int sys_errno, const char* action) const;
  Status check_transfer(std::uint64_t offset, const void* memory, std::size_t bytes) const;
  Status write_zeros_past_end(std::uint64_t offset, std::uint64_t bytes);

  int descriptor_;
  bool direct_;
  bool locked_ = false;
  std::filesystem::path path_;
};

}  // namespace nacre
